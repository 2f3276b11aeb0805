package vault

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What was kept goes again while data/ is as it was, and stays once it is not.
func TestUnkeep(t *testing.T) {
	now := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	for name, row := range map[string]struct {
		change func(*testing.T, *install, *Folder, string)
		stays  bool
	}{
		"nothing was replaced": {func(*testing.T, *install, *Folder, string) {}, false},
		"it was broken off": {func(t *testing.T, _ *install, _ *Folder, kept string) {
			remove(t, kept, SharedEncp)
		}, false},
		"copies": {func(t *testing.T, _ *install, _ *Folder, kept string) {
			edit(t, filepath.Join(kept, SharedEncp), "", "")
		}, false},
		"a file was replaced": {func(t *testing.T, _ *install, f *Folder, _ string) {
			edit(t, f.Data(SKSFile), "sks.role", "sks.r0le")
		}, true},
		"a file is gone": {func(t *testing.T, _ *install, f *Folder, _ string) {
			remove(t, f.Data(""), SKSFile)
		}, true},
		"a save holds": {func(t *testing.T, i *install, f *Folder, _ string) {
			i.write(journalFile, []byte("{}"))
		}, true},
		"a key was announced for it": {func(t *testing.T, _ *install, f *Folder, kept string) {
			if err := os.WriteFile(f.pendingKey()+string(BeforeRecovery)+"20261122-010203", []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			i := newInstall(t)
			i.configure()
			f := i.open(Change)
			if err := os.WriteFile(f.PINFile(), []byte("1234"), 0o600); err != nil {
				t.Fatal(err)
			}
			kept, err := f.KeepAside(BeforeRecovery, now)
			if err != nil || kept != "data.before-recovery-20261122-010203" {
				t.Fatalf("%q, %v", kept, err)
			}
			row.change(t, i, f, filepath.Join(f.Base, kept))
			if err := f.Unkeep(BeforeRecovery, now); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{filepath.Join(f.Base, kept), f.PINFile() + string(BeforeRecovery) + "20261122-010203"} {
				if _, err := os.Lstat(path); (err == nil) != row.stays {
					t.Errorf("%s: %v", path, err)
				}
			}
			if _, err := os.Lstat(f.PINFile()); err != nil {
				t.Error(err)
			}
		})
	}
}
