package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// Search looks for the keys that known backups need.
type Search struct {
	Layout vault.Layout
	// Instance is whose keys are looked for: an encrypted archive that bears
	// another one's name does not matter.
	Instance string
	// Keys open encrypted archives.
	Keys Keys
	// IgnoreMissing: a registered archive that is not where it was written to
	// needs no key.
	IgnoreMissing bool
}

// Needs lists the keys that the archives in BASE/backups need, and those that
// were written elsewhere. An archive that cannot be looked into, and one that
// is gone, counts as needing its key, or any.
func (s Search) Needs() ([]vault.Need, error) {
	r, err := readRegister(s.Layout)
	if err != nil {
		return nil, fault.Wrap(fault.Malformed, err, "find out where backups were written").(*fault.Error).
			With("delete " + registerPath(s.Layout) + " if you know all backups yourself")
	}
	known := map[string][]sks.KeyID{}
	for _, e := range r.Backups {
		known[e.Path] = append(known[e.Path], e.Key)
	}
	paths, all, err := s.stored()
	if err != nil {
		return nil, err
	}
	for path := range known {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	for _, path := range paths {
		all = append(all, s.archive(path, known[path])...)
	}
	if r.More && !s.IgnoreMissing {
		all = append(all, vault.Need{By: registerPath(s.Layout), Any: true, Why: "there were more backups than it holds", Advice: ignoreThem})
	}
	return all, nil
}

const ignoreThem = "if those backups are gone for good, say '--ignore-missing-backups'"

// stored lists what lies in BASE/backups, and names what nobody can look into:
// an archive that is being written, a folder, the whole place when it is away.
func (s Search) stored() (paths []string, all []vault.Need, err error) {
	dir := Folder(s.Layout)
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && isThere(dir):
		return nil, []vault.Need{{By: dir, Any: true, Why: "it leads to where nothing is",
			Advice: "is something not mounted? Else remove the link"}}, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, fault.Wrap(durable.Cause(err), err, "list %s", dir)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case e.Type().IsRegular() && strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), tempSuffix):
			if beingWritten(path) {
				all = append(all, vault.Need{By: path, Any: true, Why: "a backup is being written", Advice: "run it again when the backup is done"})
			}
		case e.IsDir():
			if !vacant(path) {
				all = append(all, vault.Need{By: path, Any: true, Why: "a folder may hold backups", Advice: lookAtIt})
			}
		default:
			paths = append(paths, path)
		}
	}
	return paths, all, nil
}

const lookAtIt = "look at it, or move it out of backups/"

// vacant tells of a folder that it holds nothing. What a file system check puts
// into lost+found is no backup any more, and only root can see it.
func vacant(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return filepath.Base(dir) == "lost+found"
	}
	return len(entries) == 0
}

// beingWritten tells whether another process holds an archive that has no name
// yet.
func beingWritten(path string) bool {
	file, err := durable.OpenFile(path)
	if err != nil {
		return false // it has its name now, or is gone
	}
	defer file.Close()
	return errors.Is(unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// archive says which key an archive needs. known are those that the register
// has for its path.
func (s Search) archive(path string, known []sks.KeyID) (all []vault.Need) {
	key, recognised, err := s.look(path)
	name, named := parseName(filepath.Base(path))
	missing := func(why string) {
		for _, id := range known {
			if !s.IgnoreMissing && (key == nil || *key != id) {
				all = append(all, vault.Need{By: path, Key: id, Why: why, Advice: "put it back to be looked at, or " + ignoreThem})
			}
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		missing("it is not there any more")
	case err == nil:
		if key != nil {
			all = append(all, vault.Need{By: path, Key: *key})
		}
		missing("another backup lies there now")
	case len(known) > 0:
		for _, id := range known {
			all = append(all, vault.Need{By: path, Key: id})
		}
	case errors.Is(err, ErrLocked) && named && name.Instance != s.Instance:
		// none of this instance
	case !recognised && !named:
		all = append(all, vault.Need{By: path, Any: true, Why: "ssovault does not know what it is", Advice: lookAtIt})
	case errors.Is(err, ErrLocked):
		all = append(all, vault.Need{By: path, Any: true, Why: "it is encrypted and may need this key",
			Advice: "give its key with '--identity FILE', or '--passphrase'"})
	default:
		all = append(all, vault.Need{By: path, Any: true, Why: fmt.Sprintf("it cannot be looked into: %v", err),
			Advice: "delete it if it is of no use"})
	}
	return all
}

// look reads which key an archive needs, nil for one in the clear. recognised
// tells whether it begins as an archive does.
func (s Search) look(path string) (key *sks.KeyID, recognised bool, err error) {
	file, err := durable.OpenFile(path)
	if err != nil {
		return nil, false, err
	}
	defer file.Close()
	recognised = Recognise(file)
	if _, err := file.Seek(0, 0); err != nil {
		return nil, recognised, err
	}
	a, err := OpenFile(file, s.Keys)
	if err != nil {
		return nil, recognised, err
	}
	defer a.Close()
	if a.Manifest.Key != nil {
		key = &a.Manifest.Key.ID
	}
	return key, recognised, nil
}
