package vault

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// A Need is something that may have to be opened with a key one day.
type Need struct {
	By  string    // a file or a folder
	Key sks.KeyID // the key
	// Any: which key cannot be told, so it may be any of them. Why says so, or
	// why a key is only perhaps needed; Advice says what helps.
	Any         bool
	Why, Advice string
}

// concerns tells whether the need may be of that key.
func (n Need) concerns(id sks.KeyID) bool { return n.Any || n.Key == id }

// String says it as a clause after "needed by".
func (n Need) String() string {
	if n.Why == "" {
		return n.By
	}
	return n.By + " (" + n.Why + ")"
}

// Needs lists what in this folder is sealed under which key: data/, as it was
// scanned, and the folders that were kept.
func (f *Folder) Needs(c *Contents) ([]Need, error) {
	var all []Need
	if c.Mode == ModeSealed {
		all = append(all,
			Need{By: "data/" + SKSFile, Key: c.SKS.KeyID},
			Need{By: "data/" + InstanceEncp, Key: c.Instance.KeyID},
			Need{By: "data/" + SharedEncp, Key: c.Shared.KeyID})
	}
	kept, err := f.Kept()
	if err != nil {
		return nil, err
	}
	for _, path := range kept {
		some, err := sealedIn(path)
		if err != nil {
			return nil, err
		}
		announced, err := f.announcedFor(path)
		if err != nil {
			return nil, err
		}
		all = append(append(all, some...), announced...)
	}
	return all, nil
}

// sealedIn lists the keys that the files of a kept folder need, those of a save
// that was under way among them.
func sealedIn(folder string) ([]Need, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "list %s", folder)
	}
	var all []Need
	var odd error
	for _, e := range entries {
		name := settledName(e.Name())
		if name != SKSFile && name != InstanceEncp && name != SharedEncp {
			continue
		}
		path := filepath.Join(filepath.Base(folder), e.Name())
		id, err := neededBy(filepath.Join(folder, e.Name()), name)
		switch {
		case err == nil:
			all = append(all, Need{By: path, Key: id})
		case fault.Of(err) != fault.Tampered || odd == nil:
			odd = fmt.Errorf("%s: %w", path, err)
		}
	}
	// Damaged files are lost with any key, and the others say which one it was;
	// those that a newer version wrote, or the disk withholds, may need any.
	if odd != nil && (len(all) == 0 || fault.Of(odd) != fault.Tampered) {
		all = append(all, Need{By: filepath.Base(folder), Any: true, Why: "it cannot be told which key it needs: " + odd.Error(),
			Advice: "delete the folder if you do not need it any more"})
	}
	return all, nil
}

// settledName is the name that a file of a save has once it is renamed.
func settledName(name string) string {
	if !isBeside(name) {
		return name
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "."), ".new")
	return name[:strings.LastIndexByte(name, '.')]
}

// neededBy reads which key a file of a sealed folder names.
func neededBy(path, kind string) (sks.KeyID, error) {
	b, err := durable.Read(path, encp.MaxFile)
	if err != nil {
		return sks.KeyID{}, err
	}
	if kind == SKSFile {
		s, err := parseSKS(b)
		return s.KeyID, fault.Wrap(fault.Malformed, err, "read it")
	}
	file, err := encp.Parse(b)
	return file.KeyID, err
}

// announcedFor gives the key that was announced when a folder was kept whose
// last save was not finished.
func (f *Folder) announcedFor(folder string) ([]Need, error) {
	p, err := readPending(f.pendingKey() + strings.TrimPrefix(filepath.Base(folder), "data"))
	if err != nil || p == nil {
		return nil, err
	}
	return []Need{{By: filepath.Base(folder), Key: p.KeyID, Why: "its last save was not finished"}}, nil
}
