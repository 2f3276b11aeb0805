package library

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ssovault/internal/fault"
)

// IsSoftHSM tells it by the library's name, for a look at a library of which
// nothing else is known yet.
func IsSoftHSM(library string) bool {
	return strings.Contains(filepath.Base(library), "softhsm")
}

// Serialise waits until no other process of ours uses SoftHSM, which rewrites
// its token file at every login and shows readers half of it. The lock lies on
// SoftHSM's own configuration file, the one thing that all processes of one
// token folder share; without such a file there is nothing to wait for. Cause
// Unreachable when the wait is longer than atMost.
func Serialise(wanted bool, atMost time.Duration) (unlock func(), err error) {
	if !wanted {
		return func() {}, nil
	}
	f := openFirst(softHSMConfigurations())
	if f == nil {
		return func() {}, nil
	}
	got := make(chan error)
	abandoned := make(chan struct{})
	go func() {
		err := lockExclusively(f)
		select {
		case got <- err:
		case <-abandoned:
			_ = f.Close() // which also lets go of a lock that came too late
		}
	}()
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case err = <-got:
	case <-timer.C:
		close(abandoned)
		return nil, fault.New(fault.Unreachable, "another process holds SoftHSM (lock on %s) for longer than %v", f.Name(), atMost)
	}
	if err != nil {
		// A file system without locks: SoftHSM works there as it does alone.
		_ = f.Close()
		return func() {}, nil
	}
	return func() { _ = f.Close() }, nil
}

func lockExclusively(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// softHSMConfigurations gives the files in the order in which SoftHSM itself
// looks for them. The variable is the library's own, read here as it reads it.
func softHSMConfigurations() []string {
	if named := os.Getenv("SOFTHSM2_CONF"); named != "" {
		return []string{named}
	}
	all := []string{"/etc/softhsm2.conf", "/etc/softhsm/softhsm2.conf"}
	if home, err := os.UserHomeDir(); err == nil {
		all = append([]string{filepath.Join(home, ".config/softhsm2/softhsm2.conf")}, all...)
	}
	return all
}

func openFirst(paths []string) *os.File {
	for _, p := range paths {
		if f, err := os.Open(p); err == nil {
			return f
		}
	}
	return nil
}
