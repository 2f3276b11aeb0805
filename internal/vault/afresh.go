package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// Before is why files are kept aside: it is in their names.
type Before string

// The reasons of KeepAside.
const (
	BeforeConfig   Before = ".before-config-"
	BeforeRecovery Before = ".before-recovery-"
)

// OpenAfresh opens a folder for Change although a save that was cut off may be
// beyond finishing: its journal must not keep an administrator from configuring
// anew or from restoring a backup. Only KeepAside and then Configure may follow,
// whose save replaces that journal, or Stage and Exchange. The errors are those
// of Open.
func OpenAfresh(ctx context.Context, base string, wait time.Duration) (*Folder, error) {
	f, err := Find(base)
	if err != nil {
		return nil, err
	}
	if err := f.take(ctx, Change, wait); err != nil {
		return nil, err
	}
	if err := f.settleExchange(); err != nil {
		f.Close()
		return nil, err
	}
	_ = f.settleJournal() // where it cannot, what is there is kept
	return f, nil
}

// KeepAside copies every file of ours in data/ into a new folder beside it,
// data.before-WHY-YYYYMMDD-HHMMSS, and says which folder. data/ itself stays as
// it is: the save that follows replaces each name there by a rename, in one
// journalled step. So a crash at any point leaves data/ as it was, or new and
// the old files kept; at worst the kept folder is there although nothing was
// replaced. Files that are
// not ours stay in data/ alone. It returns "" when there is nothing to keep.
func (f *Folder) KeepAside(why Before, now time.Time) (string, error) {
	names, err := f.ours()
	if err != nil || len(names) == 0 {
		return "", err
	}
	kept, err := f.makeKept("data"+string(why), now)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if err := keep(f.Data(name), filepath.Join(kept, name)); err != nil {
			return "", err
		}
	}
	if err := f.keepOutside(strings.TrimPrefix(filepath.Base(kept), "data")); err != nil {
		return "", err
	}
	for _, dir := range []string{kept, f.Base} {
		if err := durable.SyncFolder(dir); err != nil {
			return "", err
		}
	}
	return filepath.Base(kept), nil
}

// keepOutside keeps what belongs to a kept folder and lies outside data/: the
// PIN, which may be written down nowhere else, also that of a save that could
// not be finished; and the announcement of such a save's key, which the kept
// files need, so that no later run takes it for one made for nothing.
func (f *Folder) keepOutside(suffix string) error {
	if _, err := f.KeepPIN(suffix); err != nil {
		return err
	}
	entries, err := os.ReadDir(f.Base)
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "list %s", f.Base)
	}
	for _, e := range entries {
		if isBeside(e.Name()) {
			if err := keep(filepath.Join(f.Base, e.Name()), f.PINFile()+suffix+".unfinished"); err != nil {
				return err
			}
		}
	}
	j, err := f.readJournal()
	if err == nil && j == nil {
		return nil // every save is finished: the announcement says the truth
	}
	if there, err := durable.Exists(f.pendingKey()); err != nil || !there {
		return err
	}
	if err := durable.Rename(f.pendingKey(), f.pendingKey()+suffix); err != nil {
		return err
	}
	return durable.SyncFolder(f.Run(""))
}

// KeepPIN copies BASE/sks.pin to a name with that suffix, outside of what is
// backed up. It returns "" when there is none, and the name under which a run
// that was cut off kept the same PIN already.
func (f *Folder) KeepPIN(suffix string) (string, error) {
	there, err := durable.Exists(f.PINFile())
	if err != nil || !there {
		return "", err
	}
	kept, err := filepath.Glob(f.PINFile() + ".before-*")
	if err != nil {
		return "", err
	}
	for _, path := range kept {
		if samePIN(f.PINFile(), path) {
			return path, durable.SyncFolder(f.Base)
		}
	}
	name := f.PINFile() + suffix
	for n := 2; ; n++ { // another one of the same second
		there, err := durable.Exists(name)
		if err != nil {
			return "", err
		}
		if !there {
			break
		}
		name = fmt.Sprintf("%s%s-%d", f.PINFile(), suffix, n)
	}
	if err := keep(f.PINFile(), name); err != nil {
		return "", err
	}
	return name, durable.SyncFolder(f.Base)
}

// samePIN tells whether two files hold the same; not, when one cannot be read.
func samePIN(a, b string) bool {
	one, err := durable.Read(a, maxFile)
	if err != nil {
		return false
	}
	defer clear(one)
	other, err := durable.Read(b, maxFile)
	defer clear(other)
	return err == nil && secret.New(one).Equal(secret.New(other))
}

// KeptSuffix is what the names of things that are kept at that time end in.
func KeptSuffix(now time.Time) string {
	return string(BeforeConfig) + now.UTC().Format("20060102-150405")
}

// ours lists what in data/ a save could replace or remove: the files that a
// journal may name, the journal, and what waits for its rename.
func (l Layout) ours() ([]string, error) {
	entries, err := os.ReadDir(l.Data(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "list %s", l.Data(""))
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); journalled["data/"+name] || name == journalFile || isBeside(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// makeKept makes the folder.
func (f *Folder) makeKept(prefix string, now time.Time) (string, error) {
	name, err := f.freeName(prefix, now)
	if err != nil {
		return "", err
	}
	return name, durable.MakeFolder(name)
}

// keep copies a file: an administrator may write into the one that stays. One
// that cannot be read any more gets a second name instead.
func keep(from, to string) error {
	content, err := durable.Read(from, maxFile)
	if err == nil {
		defer clear(content)
		return durable.Create(to, content)
	}
	if linkErr := os.Link(from, to); linkErr != nil {
		return fault.Wrap(durable.Cause(linkErr), errors.Join(err, linkErr), "keep %s", from)
	}
	return nil
}
