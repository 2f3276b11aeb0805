package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
)

// Unnamed is a file of mode 0600, written and synced, that has no name yet: what
// stops the program before Publish leaves nothing of it in any folder.
type Unnamed struct {
	path string
	file *os.File
	// beside is its name meanwhile on a file system that knows no files without
	// one (FAT); the next CreateUnnamed of the path removes what a crash leaves.
	beside string
}

// CreateUnnamed writes a file that Publish calls path. The caller closes it.
func CreateUnnamed(path string, content []byte) (*Unnamed, error) {
	fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, uint32(FileMode))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return createBeside(path, content)
	case err != nil:
		return nil, wrap(&os.PathError{Op: "create", Path: path, Err: err}, "create %s", path)
	}
	u := &Unnamed{path: path, file: os.NewFile(uintptr(fd), path)}
	if err := fill(u.file, content); err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

func createBeside(path string, content []byte) (*Unnamed, error) {
	u := &Unnamed{path: path, beside: Beside(path)}
	if err := Remove(u.beside); err != nil {
		return nil, err
	}
	return u, Create(u.beside, content)
}

// fill writes and syncs a new file.
func fill(f *os.File, content []byte) error {
	if err := f.Chmod(FileMode); err != nil { // whatever the umask said
		return wrap(err, "set the mode of %s", f.Name())
	}
	if _, err := f.Write(content); err != nil {
		return wrap(err, "write %s", f.Name())
	}
	if err := f.Sync(); err != nil {
		return wrap(err, "sync %s", f.Name())
	}
	return nil
}

// Publish gives the file its name, which must not be there yet. It is durable
// only after SyncFolder.
func (u *Unnamed) Publish() error {
	var err error
	if u.beside == "" {
		err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", u.file.Fd()), unix.AT_FDCWD, u.path, unix.AT_SYMLINK_FOLLOW)
		if errors.Is(err, unix.ENOENT) { // no /proc: root can do without
			err = unix.Linkat(int(u.file.Fd()), "", unix.AT_FDCWD, u.path, unix.AT_EMPTY_PATH)
		}
	} else {
		err = unix.Renameat2(unix.AT_FDCWD, u.beside, unix.AT_FDCWD, u.path, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that cannot refuse to replace
			err = renameUnlessThere(u.beside, u.path)
		}
	}
	switch {
	case errors.Is(err, unix.EEXIST):
		return fault.New(fault.Usage, "%s is there already, and is never overwritten", u.path)
	case err != nil:
		return wrap(&os.PathError{Op: "name", Path: u.path, Err: err}, "name %s", u.path)
	}
	u.beside = ""
	return nil
}

// Close ends the use of the file; one that was not published is gone.
func (u *Unnamed) Close() error {
	if u.file == nil {
		if u.beside == "" {
			return nil
		}
		return Remove(u.beside)
	}
	if err := u.file.Close(); err != nil {
		return wrap(err, "close %s", u.path)
	}
	return nil
}

func renameUnlessThere(from, to string) error {
	there, err := Exists(to)
	switch {
	case err != nil:
		return err
	case there:
		return unix.EEXIST
	}
	return os.Rename(from, to)
}
