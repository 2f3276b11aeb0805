package vault

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/recovery"
)

// dealtEntry announces an identity or shares that are being written: the save
// that encrypts to them is what removes it. So files of an identity that nothing
// was ever encrypted to can be told from those that open old backups, and no
// save ever encrypts to what was not written down.
const dealtEntry = "run/pending-recovery.json"

// dealt is that announcement.
type dealt struct {
	Recipient string          `json:"recipient"`
	Signer    recovery.Signer `json:"signer"`
	Files     []string        `json:"files"` // absolute paths
}

const maxDealt = 1 << 20

func (l Layout) dealtFile() string { return filepath.Join(l.Base, dealtEntry) }

// Paper is a file that is written for somebody outside: an identity or a share.
type Paper struct {
	Path    string // absolute
	Content []byte
}

// WriteOut writes papers of a recovery, mode 0600, none over another file, and
// announces them before. The save that follows has Save.Dealt. After an error
// nothing is left of them.
func (f *Folder) WriteOut(p recovery.Public, papers []Paper) error {
	d := dealt{Recipient: p.Recipient, Signer: p.Signer}
	folders := map[string]bool{}
	for _, paper := range papers {
		there, err := durable.Exists(paper.Path)
		if err != nil {
			return err
		}
		if there {
			return fault.New(fault.Usage, "%s is there already, and is never overwritten", paper.Path).
				With("it may open an older recovery file or a backup of one: name another")
		}
		d.Files = append(d.Files, paper.Path)
		folders[filepath.Dir(paper.Path)] = true
	}
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := durable.Replace(f.dealtFile(), append(text, '\n')); err != nil {
		_ = f.TakeBack() // its rename may have happened, and only its sync failed
		return err
	}
	for _, paper := range papers {
		if err = durable.Create(paper.Path, paper.Content); err != nil {
			break
		}
	}
	for dir := range folders {
		if err == nil {
			err = durable.SyncFolder(dir)
		}
	}
	if err != nil {
		return errors.Join(err, f.TakeBack())
	}
	return nil
}

// TakeBack removes announced papers that nothing was ever encrypted to, and
// their announcement. A file at one of those paths that is not of the announced
// recovery stays.
func (f *Folder) TakeBack() error {
	j, err := f.readJournal()
	if err != nil {
		return err
	}
	if j != nil && slices.Contains(j.Entries, journalEntry{Name: dealtEntry, Remove: true}) {
		return nil // the save holds: whoever finishes it removes the announcement
	}
	b, err := durable.Read(f.dealtFile(), maxDealt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var d dealt
	if err := json.Unmarshal(b, &d); err != nil {
		return fault.Wrap(fault.Malformed, err, "read %s", f.dealtFile())
	}
	for _, path := range d.Files {
		ours, err := d.wrote(path)
		if err != nil {
			return err
		}
		if !ours {
			continue
		}
		if err := durable.Remove(path); err != nil {
			return err
		}
		if err := durable.SyncFolder(filepath.Dir(path)); err != nil {
			return err
		}
	}
	if err := durable.Remove(f.dealtFile()); err != nil {
		return err
	}
	return durable.SyncFolder(f.Run(""))
}

// wrote tells whether a file is of this very recovery.
func (d dealt) wrote(path string) (bool, error) {
	b, err := durable.Read(path, recovery.MaxIdentityFile)
	switch c := fault.Of(err); {
	case errors.Is(err, fs.ErrNotExist), c == fault.NotPermitted, c == fault.Malformed:
		return false, nil // gone with its medium, or something else by now
	case err != nil:
		return false, err
	}
	defer clear(b)
	return recovery.WroteFor(b, recovery.Public{Recipient: d.Recipient, Signer: d.Signer}), nil
}
