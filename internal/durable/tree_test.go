package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestExchangeAndRenameNew(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for _, one := range []string{a, b} {
		if err := MakeFolder(one); err != nil {
			t.Fatal(err)
		}
		if err := Create(filepath.Join(one, "name"), []byte(filepath.Base(one))); err != nil {
			t.Fatal(err)
		}
	}
	if err := Exchange(a, b); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(filepath.Join(a, "name"), 10); err != nil || string(got) != "b" {
		t.Errorf("%q, %v", got, err)
	}
	if err := Exchange(a, filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("with nothing: %v", err)
	}
	if err := Exchange("/proc", dir); !errors.Is(err, ErrNoExchange) {
		t.Errorf("over a mount point: %v", err)
	}
	if err := RenameNew(a, b); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over something: %v", err)
	}
	if err := RenameNew(a, filepath.Join(dir, "c")); err != nil {
		t.Error(err)
	}
	if err := RenameNew(a, filepath.Join(dir, "d")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
}

func TestCopyTree(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	when := time.Unix(1700000000, 0)
	for _, name := range []string{"sub/deep", "skipped/deep"} {
		if err := os.MkdirAll(filepath.Join(from, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one", "sub/deep/two", "skipped/deep/three"} {
		path := filepath.Join(from, name)
		if err := errors.Join(os.WriteFile(path, []byte(name), 0o640), os.Chmod(path, 0o640), os.Chtimes(path, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	if err := CopyTree(from, to, "skipped"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "sub/deep/two"} {
		path := filepath.Join(to, name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o640 || !info.ModTime().Equal(when) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if b, err := Read(path, 100); err != nil || string(b) != name {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if target, err := os.Readlink(filepath.Join(to, "link")); err != nil || target != "/etc/hostname" {
		t.Errorf("a link became %q, %v", target, err)
	}
	if there, _ := Exists(filepath.Join(to, "skipped")); there {
		t.Error("what was to be skipped is there")
	}
	if err := RemoveTree(to); err != nil {
		t.Error(err)
	}
	if there, _ := Exists("/etc/hostname"); !there {
		t.Error("a link was followed")
	}
	if err := RemoveTree(to); err != nil {
		t.Errorf("a missing one: %v", err)
	}
}
