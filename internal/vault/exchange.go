package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// A restore prepares a whole data folder beside the present one and then
// exchanges the two. Its journal, run/restore.json, is there from just before
// the exchange until the old folder has its lasting name. Whoever comes after
// a crash finds either the prepared folder with its marker (nothing has
// happened yet: it goes), or without (it is data/ now: the rest is done).
//
// Where data/ is a mount point its name cannot change: the old content is
// copied away first, and the journal is what makes the new content count; then
// the names in data/ are replaced one by one, again and again if need be.

// Names of what is there while a restore is under way.
const (
	stagedName  = ".data.restoring" // in BASE, or in data/ where that is a mount point
	keepingName = ".data.keeping"   // in BASE: the copy of the old content that is being made
	markerName  = ".restoring"      // in the prepared folder
)

// restoredPrefix begins the name of the old folder that a restore keeps.
const restoredPrefix = "data.before-restore-"

// exchange is run/restore.json.
type exchange struct {
	Version int    `json:"version"`
	Kept    string `json:"kept"`   // the name that the old folder gets
	Staged  string `json:"staged"` // where the new one was prepared, relative to BASE
	// Names: the names in data/ are replaced one by one by these.
	Names []string `json:"names,omitempty"`
	Named bool     `json:"by_name,omitempty"`
}

const (
	exchangeVersion = 1
	maxExchange     = 32 << 20 // a name in data/ may have 255 bytes
)

func (l Layout) exchangeJournal() string { return l.Run("restore.json") }

// Staging is a data folder that is being prepared.
type Staging struct {
	// Path is the folder; what is there is what data/ will hold.
	Path   string
	folder *Folder
	rel    string
}

// Stage makes an empty folder for what is to become data/. The folder must be
// open for Change.
func (f *Folder) Stage() (*Staging, error) {
	rel := stagedName
	mount, err := mountPoint(f.Data(""))
	if err != nil {
		return nil, err
	}
	if mount {
		rel = "data/" + stagedName
	}
	if err := f.noMountWithin(); err != nil {
		return nil, err
	}
	s := &Staging{Path: filepath.Join(f.Base, rel), folder: f, rel: rel}
	if err := durable.MakeFolder(s.Path); err != nil {
		s.Discard()
		return nil, err
	}
	return s, nil
}

// mountPoint tells whether a folder is where another file system begins.
func mountPoint(path string) (bool, error) {
	var there, above unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &there)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = unix.Statx(unix.AT_FDCWD, filepath.Dir(path), 0, unix.STATX_BASIC_STATS, &above)
	}
	if err != nil {
		return false, fault.Wrap(durable.Cause(err), err, "look at %s", path)
	}
	return there.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 ||
		there.Dev_major != above.Dev_major || there.Dev_minor != above.Dev_minor, nil
}

// noMountWithin refuses a data folder in which something else is mounted: it would
// go with the old folder, to where everything can be deleted.
func (f *Folder) noMountWithin() error {
	data := f.Data("")
	err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == data {
			return err
		}
		mount, err := mountPoint(path)
		if mount {
			err = fault.New(fault.NotPermitted, "%s is mounted there: it would go away with the old data/", path).
				With("unmount it, restore, and mount it again")
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // what went meanwhile is no mount
	}
	return fault.Wrap(durable.Cause(err), err, "look for what is mounted in data/")
}

// Discard removes what was prepared. What it cannot remove, the next command
// that changes the folder will.
func (s *Staging) Discard() { _ = durable.RemoveTree(s.Path) }

// Exchange puts what was prepared, and has been synced, in the place of data/.
// It gives the name under which the old folder is kept, "" when there was
// none. A crash at any point leaves the old content or the new; after an error
// whatever is left to do is done by the next command.
func (s *Staging) Exchange(now time.Time) (kept string, err error) {
	f := s.folder
	there, err := durable.Exists(f.Data(""))
	if err != nil {
		return "", err
	}
	if !there {
		if err := durable.Rename(s.Path, f.Data("")); err != nil {
			s.Discard()
			return "", err
		}
		return "", durable.SyncFolder(f.Base)
	}
	if kept, err = f.freeName(restoredPrefix, now); err != nil {
		s.Discard()
		return "", err
	}
	j := exchange{Version: exchangeVersion, Kept: filepath.Base(kept), Staged: s.rel}
	if s.rel == stagedName {
		err = s.swap(j)
		if err == nil || !errors.Is(err, durable.ErrNoExchange) {
			return f.keptIfThere(j.Kept), err
		}
	}
	err = s.byName(j)
	return f.keptIfThere(j.Kept), err
}

// keptIfThere gives the name of a kept folder; an empty data/ is not kept.
func (f *Folder) keptIfThere(name string) string {
	if there, err := durable.Exists(filepath.Join(f.Base, name)); err != nil || !there {
		return ""
	}
	return name
}

// swap exchanges the two folders in one step.
func (s *Staging) swap(j exchange) error {
	f := s.folder
	marker := filepath.Join(s.Path, markerName)
	err := durable.Create(marker, nil)
	if err == nil {
		err = durable.SyncFolder(s.Path)
	}
	if err == nil {
		err = f.writeExchange(j)
	}
	if err == nil {
		err = durable.Exchange(s.Path, f.Data(""))
	}
	switch {
	case err == nil:
		return f.settleExchange()
	case errors.Is(err, durable.ErrNoExchange):
		// The journal must be gone before the marker is: without the marker it
		// would say that the exchange has happened.
		if removeErr := f.endExchange(); removeErr != nil {
			return errors.Join(removeErr, err)
		}
		if removeErr := durable.Remove(marker); removeErr != nil {
			return errors.Join(removeErr, err)
		}
		return err
	}
	_ = f.settleExchange() // the prepared folder goes; else the next command sees to it
	return err
}

// byName replaces the names in data/ one by one.
func (s *Staging) byName(j exchange) error {
	f := s.folder
	err := s.keepCopy(&j)
	if err == nil {
		err = f.writeExchange(j)
	}
	if err != nil {
		if had, readErr := f.readExchange(); readErr == nil && had == nil {
			_ = f.sweepStaged()
		} // else its rename has happened and only its sync failed: it counts
		return err
	}
	return f.settleExchange()
}

// keepCopy copies the old content away and lists the new names.
func (s *Staging) keepCopy(j *exchange) error {
	f := s.folder
	entries, err := os.ReadDir(s.Path)
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "list %s", s.Path)
	}
	j.Named = true
	for _, e := range entries {
		j.Names = append(j.Names, e.Name())
	}
	old, err := os.ReadDir(f.Data(""))
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "list %s", f.Data(""))
	}
	if !slices.ContainsFunc(old, func(e fs.DirEntry) bool { return e.Name() != stagedName }) {
		return nil
	}
	if err := durable.CopyTree(f.Data(""), filepath.Join(f.Base, keepingName), stagedName); err != nil {
		return err
	}
	return durable.SyncFolder(f.Base)
}

func (f *Folder) writeExchange(j exchange) error {
	text, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := durable.MakeFolder(f.Run("")); err != nil {
		return err
	}
	return durable.Replace(f.exchangeJournal(), append(text, '\n'))
}

// readExchange gives the journal of a restore, or nil when there is none.
func (l Layout) readExchange() (*exchange, error) {
	b, err := durable.Read(l.exchangeJournal(), maxExchange)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var j exchange
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fault.Wrap(fault.MixedConfiguration, err, "read the journal of a restore")
	}
	if j.Version != exchangeVersion {
		return nil, fault.New(fault.Malformed, "the journal of a restore was written by a newer version of ssovault")
	}
	names := append([]string{j.Kept}, j.Names...)
	bad := func(n string) bool { return n == "" || n == "." || n == ".." || strings.ContainsRune(n, '/') }
	if slices.ContainsFunc(names, bad) || !strings.HasPrefix(j.Kept, restoredPrefix) ||
		j.Staged != stagedName && j.Staged != "data/"+stagedName {
		return nil, fault.New(fault.MixedConfiguration, "the journal of a restore names what is not ours")
	}
	return &j, nil
}

// settleExchange ends a restore: one that was cut off before its exchange
// leaves no trace, one after it is completed. The lock must be held alone. It
// can be cut off and done again at any point.
func (f *Folder) settleExchange() error {
	j, err := f.readExchange()
	if err != nil {
		return err
	}
	if j == nil {
		return f.sweepStaged()
	}
	if j.Named {
		err = f.replaceNames(j)
	} else {
		err = f.completeSwap(j)
	}
	if err != nil {
		return err
	}
	return f.endExchange()
}

// endExchange removes the journal, durably.
func (f *Folder) endExchange() error {
	if err := durable.Remove(f.exchangeJournal()); err != nil {
		return err
	}
	return durable.SyncFolder(f.Run(""))
}

// sweepStaged removes what a restore left that was cut off early.
func (f *Folder) sweepStaged() error {
	for _, path := range []string{filepath.Join(f.Base, stagedName), f.Data(stagedName), filepath.Join(f.Base, keepingName)} {
		there, err := durable.Exists(path)
		if err != nil {
			return err
		}
		if there {
			if err := durable.RemoveTree(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// completeSwap gives the old folder its lasting name, if the two folders were
// exchanged.
func (f *Folder) completeSwap(j *exchange) error {
	staged := filepath.Join(f.Base, j.Staged)
	before, err := durable.Exists(filepath.Join(staged, markerName))
	if err != nil {
		return err
	}
	if before {
		return f.sweepStaged()
	}
	// The exchange itself must be durable before its traces go.
	if err := durable.SyncFolder(f.Base); err != nil {
		return err
	}
	there, err := durable.Exists(staged)
	if err != nil {
		return err
	}
	if there && os.Remove(staged) != nil { // an empty one is not worth keeping
		if err := durable.RenameNew(staged, filepath.Join(f.Base, j.Kept)); err != nil {
			return err
		}
	}
	if err := durable.SyncFolder(f.Base); err != nil {
		return err
	}
	if err := durable.Remove(f.Data(markerName)); err != nil {
		return err
	}
	return durable.SyncFolder(f.Data(""))
}

// replaceNames takes away what data/ held and moves the new names in.
func (f *Folder) replaceNames(j *exchange) error {
	keeping := filepath.Join(f.Base, keepingName)
	if there, err := durable.Exists(keeping); err != nil {
		return err
	} else if there {
		if err := durable.RenameNew(keeping, filepath.Join(f.Base, j.Kept)); err != nil {
			return err
		}
		if err := durable.SyncFolder(f.Base); err != nil {
			return err
		}
	}
	old, err := os.ReadDir(f.Data(""))
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "list %s", f.Data(""))
	}
	for _, e := range old {
		if e.Name() != stagedName && !slices.Contains(j.Names, e.Name()) {
			if err := durable.RemoveTree(f.Data(e.Name())); err != nil {
				return err
			}
		}
	}
	staged := filepath.Join(f.Base, j.Staged)
	for _, name := range j.Names {
		from := filepath.Join(staged, name)
		there, err := durable.Exists(from)
		if err != nil {
			return err
		}
		if !there {
			continue // moved before the cut
		}
		if err := durable.RemoveTree(f.Data(name)); err != nil {
			return err
		}
		if err := durable.Rename(from, f.Data(name)); err != nil {
			return err
		}
	}
	if err := durable.SyncFolder(f.Data("")); err != nil {
		return err
	}
	return durable.RemoveTree(staged)
}

// freeName gives a name in BASE that nothing has: a prefix and the time; a
// second one within a second gets a number.
func (f *Folder) freeName(prefix string, now time.Time) (string, error) {
	stamp := filepath.Join(f.Base, prefix+now.UTC().Format("20060102-150405"))
	name := stamp
	for n := 2; ; n++ {
		there, err := durable.Exists(name)
		if err != nil || !there {
			return name, err
		}
		name = fmt.Sprintf("%s-%d", stamp, n)
	}
}
