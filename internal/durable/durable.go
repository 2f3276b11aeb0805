// Package durable does the few things to files that must survive a power cut:
// write beside, sync, rename, sync the folder. Every change that ssovault makes
// on a disk goes through it, and every file is opened without following links.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
)

// Modes of what ssovault makes.
const (
	FileMode   fs.FileMode = 0o600
	FolderMode fs.FileMode = 0o700
)

// Cause gives an error of the file system its cause: a full disk or quota, a
// missing right, or none.
func Cause(err error) fault.Cause {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EFBIG):
		return fault.DiskFull
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS), errors.Is(err, unix.ELOOP):
		return fault.NotPermitted
	}
	return fault.Unclassified
}

// wrap gives an error its cause, and says what was being done unless the error
// of package os does so itself, with the path.
func wrap(err error, format string, args ...any) error {
	e := &fault.Error{Cause: Cause(err), Err: err}
	var path *fs.PathError
	var link *os.LinkError
	if !errors.As(err, &path) && !errors.As(err, &link) {
		e.Op = fmt.Sprintf(format, args...)
	}
	return e
}

// Remedies for what lies in the place of a file.
const (
	adviceLink  = "put the file itself there: links are not followed"
	adviceOther = "move away what lies there: a regular file is meant"
)

// NotAFile tells whether OpenFile refused what lies there: a link, or another thing
// than a regular file.
func NotAFile(err error) bool {
	hint := fault.HintFor(err)
	return hint == adviceLink || hint == adviceOther
}

// Read gives the content of a regular file of at most limit bytes. A link, a
// device or a pipe is refused; a missing file is fs.ErrNotExist.
func Read(path string, limit int64) ([]byte, error) {
	return read(path, limit, func(fs.FileInfo) error { return nil })
}

// read gives the content of a file, once judge has nothing against what was
// opened.
func read(path string, limit int64, judge func(fs.FileInfo) error) ([]byte, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, wrap(err, "read %s", path)
	}
	if err := judge(info); err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fault.New(fault.Malformed, "read %s: %d bytes, more than the %d that such a file may have", path, info.Size(), limit)
	}
	b := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, wrap(err, "read %s", path)
		}
		if int64(len(b)) > limit {
			return nil, fault.New(fault.Malformed, "read %s: it grows beyond %d bytes", path, limit)
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

// OpenFile opens a regular file for reading without following a link in the
// last element of path.
func OpenFile(path string) (*os.File, error) {
	// O_NONBLOCK: a pipe put in the place of a file must not hang the open.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			return nil, fault.New(fault.NotPermitted, "open %s: it is a link", path).With(adviceLink)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, wrap(err, "open %s", path)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fault.New(fault.NotPermitted, "open %s: it is not a regular file", path).With(adviceOther)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Create writes a file that must not exist yet, mode 0600, and syncs it. The
// name is durable only after SyncFolder. On an error nothing is left.
func Create(path string, content []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, FileMode)
	if err != nil {
		return wrap(err, "create %s", path)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = wrap(closeErr, "close %s", path)
		}
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	return fill(f, content)
}

// Replace writes a file beside path, syncs it, renames it over path and syncs
// the folder: afterwards path holds the old content or the new.
func Replace(path string, content []byte) error {
	beside := Beside(path)
	if err := Remove(beside); err != nil { // left by a crash
		return err
	}
	if err := Create(beside, content); err != nil {
		return err
	}
	if err := Rename(beside, path); err != nil {
		_ = os.Remove(beside)
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Beside is where Replace writes the new content of a file first; a crash may
// leave it there until the next Replace.
func Beside(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
}

// Rename moves a file; it is durable only after SyncFolder.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return wrap(err, "rename %s", filepath.Base(from))
	}
	return nil
}

// Remove deletes a file; a missing one is no error. It is durable only after
// SyncFolder.
func Remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, unix.EROFS) {
		// A read-only file system says so of files that are not there too.
		if there, lookErr := Exists(path); lookErr == nil && !there {
			return nil
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap(err, "remove %s", path)
	}
	return nil
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return wrap(err, "open folder %s", path)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return wrap(err, "sync folder %s", path)
	}
	return nil
}

// MakeFolder makes a folder of mode 0700 unless it is there, and syncs its
// parent. What is there must be a folder, not a link to one.
func MakeFolder(path string) error {
	err := os.Mkdir(path, FolderMode)
	if err == nil {
		if err := os.Chmod(path, FolderMode); err != nil {
			return wrap(err, "set the mode of %s", path)
		}
		return SyncFolder(filepath.Dir(path))
	}
	if !errors.Is(err, fs.ErrExist) {
		return wrap(err, "make folder %s", path)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return wrap(err, "look at %s", path)
	}
	if !info.IsDir() {
		return fault.New(fault.NotPermitted, "%s is not a folder", path).With("move away what lies there: a folder is meant, and no link to one")
	}
	return nil
}

// Exists tells whether something has that name, a dangling link included.
func Exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	return true, nil
}
