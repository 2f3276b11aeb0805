package vault

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// Kept lists the folders that ssovault set aside before it changed everything:
// data.before-config-…, data.before-restore-…, oldest first. A link to a folder
// is one, also while it leads to where nothing is; a file is not.
func (f *Folder) Kept() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(f.Base, "data.before-*"))
	found = slices.DeleteFunc(found, func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && !info.IsDir()
	})
	// The date is the last part of every name, whatever was done then.
	sort.Slice(found, func(i, j int) bool { return stamp(found[i]) < stamp(found[j]) })
	return found, err
}

// KeptPINs lists the PINs that were kept when others took the place of
// BASE/sks.pin, oldest first.
func (f *Folder) KeptPINs() ([]string, error) {
	found, err := filepath.Glob(f.PINFile() + ".before-*")
	sort.Slice(found, func(i, j int) bool { return stamp(found[i]) < stamp(found[j]) })
	return found, err
}

// stamp is what follows data.before-WHAT- in a kept folder's name: the date,
// and the number of a second one within a second.
func stamp(path string) string {
	parts := strings.SplitN(filepath.Base(path), "-", 3)
	return parts[len(parts)-1]
}

// ScanCopy reads a copy of a data folder, wherever it lies, with the checks of
// Scan. Bound files need not be there.
func ScanCopy(path string) (*Contents, error) {
	if there, err := durable.Exists(path); err != nil || !there {
		return nil, fault.New(fault.NoConfiguration, "there is no folder %s", path)
	}
	v := view{Layout: Layout{}, folder: path}
	have, err := v.which()
	if err != nil {
		return nil, err
	}
	c := &Contents{Mode: have.mode()}
	if err := have.check(); err != nil {
		return nil, err
	}
	if c.Mode == ModeSealed {
		return c, c.scanSealed(v, BoundMatch)
	}
	return c, c.scanClear(v, BoundMatch)
}

// OpenCopy opens the sealed files of a copy, whatever their generation.
func (c *Contents) OpenCopy(ctx context.Context, store sks.Store) (Plain, error) {
	p, _, err := c.Unseal(ctx, forgetful{store})
	return p, err
}

// forgetful hides that a store remembers: a copy is older by its nature.
type forgetful struct{ sks.Store }
