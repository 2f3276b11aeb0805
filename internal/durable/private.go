package durable

import (
	"fmt"
	"io/fs"
	"syscall"

	"ssovault/internal/fault"
)

// ReadPrivate reads as Read does a file that holds a secret, and judges it as
// Private does.
func ReadPrivate(path string, limit int64, uid int, then string) ([]byte, error) {
	return read(path, limit, func(info fs.FileInfo) error { return Private(info, path, uid, 0o077, then) })
}

// Private judges a file, as it was opened, that holds a secret: it belongs to uid
// or root, and has none of the forbidden rights. Cause NotPermitted; then says
// what else is to be done where others may have read it.
func Private(info fs.FileInfo, path string, uid int, forbidden fs.FileMode, then string) error {
	st := info.Sys().(*syscall.Stat_t)
	if st.Uid != 0 && int(st.Uid) != uid {
		return fault.New(fault.NotPermitted, "%s belongs to user %d", path, st.Uid).
			With(fmt.Sprintf("give it to root or to user %d", uid))
	}
	if info.Mode().Perm()&forbidden != 0 {
		return fault.New(fault.NotPermitted, "%s is open to others (mode %04o)", path, info.Mode().Perm()).
			With("close it: chmod 600 " + path + "; " + then)
	}
	return nil
}
