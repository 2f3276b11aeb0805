package main

import (
	"errors"
	"io/fs"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// mayWrite makes sure that ssovault, which works as the owner of the install folder
// whoever started it, may make the file path. Whatever else is the matter with that
// path is found when it is made. Cause NotPermitted.
func mayWrite(f *vault.Folder, path string) error {
	dir := filepath.Dir(path)
	err := unix.Access(dir, unix.W_OK|unix.X_OK)
	if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	name := ownerName(f)
	return fault.New(fault.NotPermitted, "ssovault works as %s, whose folder %s is, and %s may not write to %s", name, f.Base, name, dir).
		With("name a folder that " + name + " may write to, and move the file from there, as root")
}

// ownerName is the user to whom the install folder belongs.
func ownerName(f *vault.Folder) string {
	id := strconv.Itoa(f.Owner.UID)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
