package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
)

// ErrNoExchange is what Exchange wraps when these two names cannot be swapped
// in one step: one is a mount point, or the file system does not know how.
var ErrNoExchange = errors.New("the two cannot be exchanged in one step")

// Exchange swaps two names in one step (renameat2(2), RENAME_EXCHANGE): at any
// time both are there. It is durable only after SyncFolder.
func Exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EXDEV), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP):
		return fault.Wrap(fault.Unclassified, errors.Join(ErrNoExchange, err), "exchange %s and %s", a, b)
	}
	return wrap(err, "exchange %s and %s", a, b)
}

// RenameNew gives a file or folder a name that nothing has yet; fs.ErrExist
// otherwise. It is durable only after SyncFolder.
func RenameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system without the flag: the lock of the caller must do.
		there, lookErr := Exists(to)
		if lookErr != nil {
			return lookErr
		}
		if there {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: unix.EEXIST}
		}
		return Rename(from, to)
	}
	if err != nil {
		return wrap(&os.LinkError{Op: "rename", Old: from, New: to, Err: err}, "rename")
	}
	return nil
}

// RemoveTree deletes a folder with all that is in it, without following
// links; a missing one is no error. It is durable only after SyncFolder.
func RemoveTree(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return wrap(err, "remove %s", path)
	}
	return nil
}

// CopyTree copies what a folder holds into a new folder, and syncs all of it:
// files, folders and links with their modes; sockets, pipes and devices hold
// nothing and stay behind. The name from/skip is left out.
func CopyTree(from, to, skip string) error {
	if err := MakeFolder(to); err != nil {
		return err
	}
	in, err := os.OpenRoot(from)
	if err != nil {
		return wrap(err, "open folder %s", from)
	}
	defer in.Close()
	out, err := os.OpenRoot(to)
	if err != nil {
		return wrap(err, "open folder %s", to)
	}
	defer out.Close()
	var folders []string
	err = fs.WalkDir(in.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == skip:
			return fs.SkipDir
		case e.IsDir():
			folders = append(folders, name)
			if name == "." {
				return nil
			}
			return out.Mkdir(name, FolderMode)
		case e.Type()&fs.ModeSymlink != 0:
			target, err := in.Readlink(name)
			if err != nil {
				return err
			}
			return out.Symlink(target, name)
		case e.Type().IsRegular():
			return copyOne(in, out, name)
		}
		return nil
	})
	if err != nil {
		return wrap(err, "copy %s", from)
	}
	for i := len(folders) - 1; i >= 0; i-- {
		if err := SyncFolder(filepath.Join(to, folders[i])); err != nil {
			return err
		}
	}
	return nil
}

// copyOne copies one regular file between two roots.
func copyOne(in, out *os.Root, name string) (err error) {
	r, err := in.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	w, err := out.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, FileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	if err := w.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if err := w.Sync(); err != nil {
		return err
	}
	return out.Chtimes(name, info.ModTime(), info.ModTime())
}
