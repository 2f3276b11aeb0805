package vault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// InUse tells whether the folder is an instance's, or was: a file of ours lies in
// it. Folders named data, run or logs are in many places. What cannot be looked at
// counts as ours.
func (l Layout) InUse() bool {
	for _, path := range []string{l.lock(), l.Log(), l.refused(), l.exchangeJournal()} {
		if there, err := durable.Exists(path); err != nil || there {
			return true
		}
	}
	names, err := l.ours()
	return err != nil || len(names) > 0
}

// noConfiguration says where nothing was found. An administrator may just stand
// in the wrong folder, and in data/ above all.
func (l Layout) noConfiguration() error {
	e := fault.New(fault.NoConfiguration, "%s holds no configuration", l.Data(""))
	if there, err := durable.Exists(l.Data("")); err == nil && !there {
		e = fault.New(fault.NoConfiguration, "there is no configuration in %s: it has no folder data", l.Base)
	}
	for _, name := range []string{SKSFile, InstanceEncp, SharedEncp, InstanceClear, SharedClear} {
		if _, err := os.Lstat(filepath.Join(l.Base, name)); !errors.Is(err, fs.ErrNotExist) {
			above := filepath.Dir(l.Base)
			return e.With(l.Base + " holds " + name + ", so it is a data folder itself: go to the install folder above it, or name that one with --base " + above)
		}
	}
	return e.With("is this the install folder? Another one is named by --base or $SSOVAULT_BASE; if it is, " + fault.NoConfiguration.Hint())
}
