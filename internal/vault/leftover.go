package vault

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// secretWhenClear are the files of a save whose content is a secret as it lies
// there. Whether a key store has a password is not known before it is opened.
var secretWhenClear = map[string]bool{
	"data/" + InstanceClear: true, "data/" + SharedClear: true, pinEntry: true,
	"data/" + KeyStorePEM: true, "data/" + KeyStoreFile: true,
}

// Leftovers are the files with secrets in the clear, relative to BASE, that a
// save left which was cut off: new ones of a save that never came to be, and old
// ones that a save which holds has yet to remove. The folder must be locked, or
// what a save is writing just now is among them.
func (f *Folder) Leftovers() ([]string, error) {
	j, _ := f.readJournal() // one that does not read vouches for nothing
	var left []string
	for _, dir := range []string{"", "data/"} {
		entries, err := os.ReadDir(filepath.Join(f.Base, dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault.Wrap(durable.Cause(err), err, "list %s", filepath.Join(f.Base, dir))
		}
		for _, e := range entries {
			name, saveID, ok := besideOf(e.Name())
			if ok && secretWhenClear[dir+name] && !j.waits(dir+name, saveID) {
				left = append(left, dir+e.Name())
			}
		}
	}
	if j != nil {
		for _, e := range j.Entries {
			there, err := durable.Exists(filepath.Join(f.Base, e.Name))
			if err != nil {
				return nil, err
			}
			if there && e.Remove && secretWhenClear[e.Name] {
				left = append(left, e.Name)
			}
		}
	}
	slices.Sort(left)
	return left, nil
}

// waits tells whether a new file waits for this journal's rename.
func (j *journal) waits(name, saveID string) bool {
	return j != nil && saveID == j.SaveID &&
		slices.ContainsFunc(j.Entries, func(e journalEntry) bool { return e.Name == name && !e.Remove })
}

// LeftoverHint says what becomes of leftovers.
const LeftoverHint = "the next start or change that finds the folder writable and no other ssovault in it removes them " +
	"('ssovault run', 'unseal', 'set'); freed blocks, snapshots and copies of this disk may go on holding them"

// LeftoverText says what leftovers are, or "" when there are none.
func LeftoverText(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, ", ") + ": the rest of an unfinished save, with secrets in the clear"
}

// tidy ends what a save left that was cut off, as a Change does, for a command
// that only reads: a service may run for years before the next change. It does so
// where secrets lie in the clear and nobody else holds the lock. What it cannot do
// it leaves: no start fails for it. It tells whether it gave the lock back.
func (f *Folder) tidy(ctx context.Context) (gaveBack bool) {
	if f.lock == nil {
		return false // nothing can be written here
	}
	if left, err := f.Leftovers(); err != nil || len(left) == 0 {
		return false
	}
	f.Close()
	if f.take(ctx, Change, 0) == nil {
		_ = f.settleFor(ctx, Change, 0)
		f.Close()
	}
	return true
}
