package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ssovault/internal/fault"
)

// A file has no name before it is whole; and never takes another's.
func TestUnnamed(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	for name, create := range map[string]func(string, []byte) (*Unnamed, error){"without a name": CreateUnnamed, "on FAT": createBeside} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "sheet")
			holds := func(want string) {
				t.Helper()
				b, err := os.ReadFile(path)
				info, statErr := os.Stat(path)
				if err != nil || statErr != nil || string(b) != want || info.Mode().Perm() != FileMode {
					t.Errorf("%q, %v, %v", b, err, info)
				}
			}
			if err := os.WriteFile(Beside(path), []byte("left by a crash"), 0o600); err != nil {
				t.Fatal(err)
			}
			one, err := create(path, []byte("one"))
			if err != nil {
				t.Fatal(err)
			}
			if there, err := Exists(path); err != nil || there {
				t.Errorf("it is there before it was published: %v", err)
			}
			if err := one.Publish(); err != nil {
				t.Fatal(err)
			}
			holds("one")
			two, err := create(path, []byte("two"))
			if err != nil {
				t.Fatal(err)
			}
			if err := two.Publish(); fault.Of(err) != fault.Usage {
				t.Errorf("over another file: %v", err)
			}
			holds("one")
			for _, u := range []*Unnamed{one, two} {
				if err := u.Close(); err != nil {
					t.Error(err)
				}
			}
			holds("one")
			if name == "on FAT" {
				if there, err := Exists(Beside(path)); err != nil || there {
					t.Errorf("something is left: %v", err)
				}
			}
			if _, err := create(filepath.Join(dir, "none", "sheet"), nil); err == nil {
				t.Error("a file in no folder")
			}
		})
	}
}

func TestRenameUnlessThere(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	if err := Create(one, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := renameUnlessThere(one, two); err != nil {
		t.Error(err)
	}
	if err := Create(one, []byte("other")); err != nil {
		t.Fatal(err)
	}
	if err := renameUnlessThere(one, two); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another file: %v", err)
	}
	if b, err := os.ReadFile(two); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
}
