// Package owner answers whom an install folder belongs to, whether anybody else
// could change what lies on a path, and becomes that owner when started as
// root.
package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
)

// Identity is a user of this machine.
type Identity struct{ UID, GID int }

// maxLinks bounds the links followed in one path, as the kernel does.
const maxLinks = 40

// Of gives the owner of an install folder, after making sure that nobody but
// the owner and root can change it or a folder above it. Cause NotPermitted
// also when base is a link or not a folder; NoConfiguration when it is missing.
func Of(base string) (Identity, error) {
	info, err := os.Lstat(base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Identity{}, fault.New(fault.NoConfiguration, "there is no folder %s", base).
			With("make it first (mkdir -m 700), or name another with --base")
	case err != nil:
		return Identity{}, fault.Wrap(fault.NotPermitted, err, "look at %s", base)
	case info.Mode()&fs.ModeSymlink != 0:
		return Identity{}, fault.New(fault.NotPermitted, "%s is a link; name the folder itself", base).
			With("name the folder that the link leads to, with --base or $SSOVAULT_BASE")
	case !info.IsDir():
		return Identity{}, fault.New(fault.NotPermitted, "%s is not a folder", base).
			With("name the install folder, with --base or $SSOVAULT_BASE")
	}
	st := info.Sys().(*syscall.Stat_t)
	id := Identity{UID: int(st.Uid), GID: int(st.Gid)}
	if err := Protected(base, id.UID); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// Protected makes sure that nobody but the user uid and root can change what
// path names: the file or folder itself, every folder above it, and the same
// for every link on the way. A folder that others may write to is allowed
// above it when it is root's and sticky, as /tmp is. Cause NotPermitted.
func Protected(path string, uid int) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fault.Wrap(fault.NotPermitted, err, "find %s", path)
	}
	return protected(abs, uid, new(int))
}

func protected(abs string, uid int, links *int) error {
	prefix := "/"
	parts := strings.Split(strings.Trim(abs, "/"), "/")
	if err := checkOne(prefix, uid, len(parts) == 0); err != nil {
		return err
	}
	for i, part := range parts {
		if part == "" {
			continue
		}
		name := filepath.Join(prefix, part)
		info, err := os.Lstat(name)
		if err != nil {
			return fault.Wrap(fault.NotPermitted, err, "look at %s", name)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			// In a sticky folder a stranger may own the link itself.
			if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != uid && st.Uid != 0 {
				return fault.New(fault.NotPermitted, "%s is a link of user %d", name, st.Uid).
					With(fmt.Sprintf("name what the link leads to, or give the link to root or to user %d", uid))
			}
			if *links++; *links > maxLinks {
				return fault.New(fault.NotPermitted, "%s: too many links", abs).With("name what the links lead to")
			}
			target, err := os.Readlink(name)
			if err != nil {
				return fault.Wrap(fault.NotPermitted, err, "read link %s", name)
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(prefix, target)
			}
			rest := filepath.Join(parts[i+1:]...)
			return protected(filepath.Join(target, rest), uid, links)
		}
		if err := checkOne(name, uid, i == len(parts)-1); err != nil {
			return err
		}
		prefix = name
	}
	return nil
}

// checkOne looks at one element that is not a link.
func checkOne(name string, uid int, last bool) error {
	info, err := os.Lstat(name)
	if err != nil {
		return fault.Wrap(fault.NotPermitted, err, "look at %s", name)
	}
	st := info.Sys().(*syscall.Stat_t)
	if int(st.Uid) != uid && st.Uid != 0 {
		return fault.New(fault.NotPermitted, "%s belongs to user %d, who could change what lies there", name, st.Uid).
			With(fmt.Sprintf("give it to root or to user %d", uid))
	}
	if info.Mode().Perm()&0o022 == 0 {
		return nil
	}
	if sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0 && st.Uid == 0; sticky && !last {
		return nil
	}
	advice := "take the right away: chmod go-w " + name
	if info.Mode()&fs.ModeSticky != 0 {
		advice = "use a folder of your own below it"
	}
	return fault.New(fault.NotPermitted, "%s may be written to by others (mode %04o)", name, info.Mode().Perm()).With(advice)
}

// Become makes this process the user id. Root on another's folder steps down,
// with the groups of that user; whoever it is already goes on; any other user
// gets cause NotPermitted.
func Become(id Identity) error {
	switch me := os.Geteuid(); {
	case me == id.UID:
		return nil
	case me != 0:
		return fault.New(fault.NotPermitted, "the folder belongs to user %d and this is user %d", id.UID, me).
			With("run ssovault as the owner of the folder, or as root")
	}
	// The user's own group: a folder that was given away by chown USER alone
	// still has root's.
	home := "/"
	u, err := user.LookupId(strconv.Itoa(id.UID))
	if err == nil {
		if id.GID, err = strconv.Atoi(u.Gid); err != nil {
			return fault.Wrap(fault.NotPermitted, err, "find the group of user %d", id.UID)
		}
	} else if id.GID == 0 {
		return fault.New(fault.NotPermitted, "user %d has no entry in the user database, and the folder's group is root's", id.UID).
			With("give the folder to the user's group: chgrp")
	}
	groups := []int{id.GID}
	if err == nil {
		home = u.HomeDir
		if names, err := u.GroupIds(); err == nil {
			for _, g := range names {
				if n, err := strconv.Atoi(g); err == nil {
					groups = append(groups, n)
				}
			}
		}
		os.Setenv("USER", u.Username)
		os.Setenv("LOGNAME", u.Username)
	}
	// The order matters: groups can only be set while still root.
	if err := syscall.Setgroups(groups); err != nil {
		return fault.Wrap(fault.NotPermitted, err, "take the groups of user %d", id.UID)
	}
	if err := syscall.Setresgid(id.GID, id.GID, id.GID); err != nil {
		return fault.Wrap(fault.NotPermitted, err, "become group %d", id.GID)
	}
	if err := syscall.Setresuid(id.UID, id.UID, id.UID); err != nil {
		return fault.Wrap(fault.NotPermitted, err, "become user %d", id.UID)
	}
	os.Setenv("HOME", home)
	return nil
}

// Undumpable keeps the memory of this process out of core dumps and away from
// debuggers of the same user. It ends with the next exec.
func Undumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the process undumpable: %w", err)
	}
	return nil
}
