package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// A save writes every new file beside the old one, and then renames a journal
// into place: that rename is the save. Whoever comes after a crash finishes
// the renames (with the lock alone), reads through the journal (with a shared
// lock), or, when there is no journal, ignores the files beside.

// journal is data/.journal.
type journal struct {
	Version int            `json:"version"`
	SaveID  string         `json:"save_id"`
	Entries []journalEntry `json:"files"`
}

// journalEntry is one file of a save: its new content waits beside it, or it
// is to be removed.
type journalEntry struct {
	Name   string `json:"name"` // relative to BASE: data/instance.encp, sks.pin
	SHA256 string `json:"sha256,omitempty"`
	Remove bool   `json:"remove,omitempty"`
}

const (
	journalVersion = 1
	maxJournal     = 64 << 10
	maxFile        = 64 << 20 // no file of a save is larger
)

// isSaveID tells whether s is 16 bytes in hexadecimal.
func isSaveID(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// isBeside tells whether a name is that of a new file that waits for its
// rename: .NAME.SAVE-ID.new.
func isBeside(name string) bool {
	_, _, ok := besideOf(name)
	return ok
}

// besideOf takes such a name apart.
func besideOf(beside string) (name, saveID string, ok bool) {
	rest, ok := strings.CutSuffix(beside, ".new")
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot <= 1 || beside[0] != '.' || !isSaveID(rest[dot+1:]) {
		return "", "", false
	}
	return rest[1:dot], rest[dot+1:], true
}

// journalled are the only files that a journal may name, so that a journal
// which came with a copied folder cannot reach outside it.
var journalled = map[string]bool{
	pinEntry: true, "data/" + SKSFile: true, "data/" + InstanceEncp: true, "data/" + SharedEncp: true,
	"data/" + InstanceClear: true, "data/" + SharedClear: true, "data/" + KeyStoreFile: true,
	"data/" + KeyStorePEM: true, "data/" + MetadataFile: true, "data/" + RecoveryFile: true,
	pendingEntry: true, dealtEntry: true,
}

// pinEntry is BASE/sks.pin.
const pinEntry = "sks.pin"

// pendingEntry is the announcement of a new key: the save that uses the key is
// what removes it, so that no later run can take that key for one made for
// nothing.
const pendingEntry = "run/pending-key.json"

// beside is where the new content of a file waits.
func (l Layout) beside(name, saveID string) string {
	dir, file := filepath.Split(name)
	return filepath.Join(l.Base, dir, "."+file+"."+saveID+".new")
}

// readJournal gives the journal, or nil when there is none.
func (l Layout) readJournal() (*journal, error) {
	b, err := durable.Read(l.journal(), maxJournal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var j journal
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fault.Wrap(fault.MixedConfiguration, err, "read the journal of a save, data/%s", journalFile)
	}
	if j.Version != journalVersion {
		return nil, fault.New(fault.Malformed, "the journal of a save, data/%s, was written by a newer version of ssovault", journalFile)
	}
	for _, e := range j.Entries {
		// A save writes the PIN or leaves it, and announces nothing.
		odd := e.Name == pinEntry && e.Remove || (e.Name == pendingEntry || e.Name == dealtEntry) && !e.Remove
		if !journalled[e.Name] || !isSaveID(j.SaveID) || odd {
			return nil, fault.New(fault.MixedConfiguration, "the journal of a save, data/%s, names %q, which is no file of ours", journalFile, e.Name)
		}
	}
	return &j, nil
}

// settleJournal finishes a save that was cut off after its journal, and clears
// away what one left that was cut off before. The lock must be held alone.
func (f *Folder) settleJournal() error {
	j, err := f.readJournal()
	if err != nil {
		return err
	}
	if j != nil {
		if err := f.finish(j); err != nil {
			return err
		}
	}
	return f.sweep()
}

// finish does what the journal says and removes it. It can be cut off and
// done again at any point.
func (f *Folder) finish(j *journal) error {
	folders := map[string]bool{}
	for _, e := range j.Entries {
		target := filepath.Join(f.Base, e.Name)
		if e.Remove {
			there, err := durable.Exists(target)
			if err != nil {
				return err
			}
			if there {
				if err := durable.Remove(target); err != nil {
					return err
				}
				folders[filepath.Dir(target)] = true
			}
			continue
		}
		folders[filepath.Dir(target)] = true
		path, err := f.resolve(j, e)
		if err != nil {
			return err
		}
		if path == target {
			continue // renamed before the cut
		}
		if err := durable.Rename(path, target); err != nil {
			return err
		}
	}
	for dir := range folders {
		if err := durable.SyncFolder(dir); err != nil {
			return err
		}
	}
	if err := durable.Remove(f.journal()); err != nil {
		return err
	}
	return durable.SyncFolder(f.Data(""))
}

// resolve finds where the content of a journalled file is now: still beside,
// or already in place. Its digest must be the journal's.
func (l Layout) resolve(j *journal, e journalEntry) (string, error) {
	for _, path := range []string{l.beside(e.Name, j.SaveID), filepath.Join(l.Base, e.Name)} {
		b, err := durable.Read(path, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(b)
		clear(b)
		if hex.EncodeToString(sum[:]) == e.SHA256 {
			return path, nil
		}
	}
	return "", fault.New(fault.MixedConfiguration, "a save was cut off (data/%s), and its %s is not there", journalFile, e.Name)
}

// sweep removes the new files of saves that never came to be.
func (f *Folder) sweep() error {
	for _, dir := range []string{f.Base, f.Data("")} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fault.Wrap(durable.Cause(err), err, "list %s", dir)
		}
		for _, e := range entries {
			if isBeside(e.Name()) {
				if err := durable.Remove(filepath.Join(dir, e.Name())); err != nil {
					return err
				}
			}
		}
	}
	return durable.Remove(f.Data("." + journalFile + ".new"))
}

// A view reads a data folder as it is after the last whole save.
type view struct {
	Layout
	folder  string // BASE/data, or a copy of it elsewhere, which has no journal
	journal *journal
}

func (f *Folder) view() (view, error) {
	j, err := f.readJournal()
	return view{f.Layout, f.Data(""), j}, err
}

// path finds the file data/name, or "" when the last save has none.
func (v view) path(name string) (string, error) {
	full := "data/" + name
	if v.journal != nil {
		for _, e := range v.journal.Entries {
			if e.Name != full {
				continue
			}
			if e.Remove {
				return "", nil
			}
			return v.resolve(v.journal, e)
		}
	}
	path := filepath.Join(v.folder, name)
	there, err := durable.Exists(path)
	if err != nil || !there {
		return "", err
	}
	return path, nil
}

// read gives the content of data/name; fs.ErrNotExist when there is none.
func (v view) read(name string, limit int64) ([]byte, error) {
	path, err := v.path(name)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, fs.ErrNotExist
	}
	return durable.Read(path, limit)
}
