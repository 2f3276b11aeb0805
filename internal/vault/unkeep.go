package vault

import (
	"crypto/subtle"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// Unkeep takes back a KeepAside of that reason and time, whole or broken off,
// when what was to follow failed: a disk that is full, or a token that is away,
// would else leave a folder at each try. It removes only what is still in data/
// as it was kept; so nothing goes once a save holds.
func (f *Folder) Unkeep(why Before, now time.Time) error {
	suffix := string(why) + now.UTC().Format("20060102-150405")
	kept, err := filepath.Glob(f.Data("") + suffix + "*") // two of a second are numbered
	if err != nil {
		return err
	}
	for _, path := range kept {
		if err := f.unkeep(path); err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return durable.SyncFolder(f.Base)
}

func (f *Folder) unkeep(kept string) error {
	suffix := strings.TrimPrefix(filepath.Base(kept), "data")
	// The key that was announced belongs to what is kept.
	if there, err := durable.Exists(f.pendingKey() + suffix); err != nil || there {
		return err
	}
	entries, err := os.ReadDir(kept)
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "list %s", kept)
	}
	// A journal that was not there before is a save that holds.
	saved, err := durable.Exists(f.journal())
	if err != nil {
		return err
	}
	for _, e := range entries {
		same, err := sameContent(filepath.Join(kept, e.Name()), f.Data(e.Name()))
		if err != nil || !same {
			return err
		}
		saved = saved && e.Name() != journalFile
	}
	if saved {
		return nil
	}
	if err := durable.RemoveTree(kept); err != nil {
		return err
	}
	pin := f.PINFile() + suffix
	same, err := sameContent(pin, f.PINFile())
	if err != nil || !same {
		return err
	}
	return durable.Remove(pin)
}

// sameContent tells whether two names are of one file, or of a copy of it where
// the file system has no second names.
func sameContent(a, b string) (bool, error) {
	one, err := os.Lstat(a)
	var other fs.FileInfo
	if err == nil {
		other, err = os.Lstat(b)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fault.Wrap(durable.Cause(err), err, "compare %s", a)
	case os.SameFile(one, other):
		return true, nil
	case one.Size() != other.Size():
		return false, nil
	}
	content, err := durable.Read(a, maxFile)
	defer clear(content)
	if err != nil {
		return false, err
	}
	present, err := durable.Read(b, maxFile)
	defer clear(present)
	return err == nil && subtle.ConstantTimeCompare(content, present) == 1, err // one may be the PIN
}
