package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := Create(file, []byte("content")); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(file, 7); err != nil || string(b) != "content" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Read(file, 6); fault.Of(err) != fault.Malformed {
		t.Errorf("too large: %v", err)
	}
	if _, err := Read(file+"x", 7); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink("file", link), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, pipe, dir, "/dev/zero"} {
		if _, err := Read(path, 7); fault.Of(err) != fault.NotPermitted {
			t.Errorf("%s: %v", path, err)
		}
	}
	// A file that says nothing of its size is bounded too.
	if _, err := Read("/proc/self/maps", 10); fault.Of(err) != fault.Malformed {
		t.Errorf("proc: %v", err)
	}
}

func TestCreateAndReplace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	for _, content := range []string{"one", "two", ""} {
		if err := Replace(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		info, statErr := os.Stat(file)
		if err != nil || statErr != nil || string(b) != content || info.Mode().Perm() != FileMode {
			t.Errorf("%q, %v, %v", b, err, info.Mode())
		}
	}
	if err := Create(file, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("created over a file: %v", err)
	}
	// What a crash left beside is no obstacle; a link there is not followed.
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, ".file.new")); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, []byte("three")); err != nil {
		t.Error(err)
	}
	if err := Create(filepath.Join(dir, "no", "file"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 1 {
		t.Errorf("left: %v", entries)
	}
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	made := filepath.Join(dir, "made")
	for range 2 {
		if err := MakeFolder(made); err != nil {
			t.Error(err)
		}
	}
	if info, _ := os.Stat(made); info.Mode().Perm() != FolderMode {
		t.Errorf("mode %v", info.Mode())
	}
	if err := os.Symlink("made", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := MakeFolder(filepath.Join(dir, "link")); fault.Of(err) != fault.NotPermitted {
		t.Errorf("a link: %v", err)
	}
	if err := SyncFolder(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := Remove(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
	if err := Remove(dir); err == nil {
		t.Error("a folder that is not empty was removed")
	}
}

func TestCause(t *testing.T) {
	for err, want := range map[error]fault.Cause{
		unix.ENOSPC: fault.DiskFull, unix.EDQUOT: fault.DiskFull, unix.EFBIG: fault.DiskFull,
		unix.EACCES: fault.NotPermitted, unix.EPERM: fault.NotPermitted, unix.EROFS: fault.NotPermitted, unix.ELOOP: fault.NotPermitted,
		unix.EIO: fault.Unclassified, unix.ENOENT: fault.Unclassified,
	} {
		if got := fault.Of(wrap(&fs.PathError{Err: err}, "do it")); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
