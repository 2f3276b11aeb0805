// Package isolate runs a PKCS#11 library in a process of its own, which is the
// program started once more. A library can hang for minutes, crash, print, or
// end the process it is in; it does so there, and the program sees cause
// Unreachable.
package isolate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/owner"
)

// Protocol is what both ends agree on.
type Protocol struct {
	// Argument is the first argument of the process.
	Argument string
	// Known are errors that stay what they are on their way (errors.Is); 8 at most.
	Known []error
}

// Program says what to start. Its zero value is this program.
type Program struct {
	// Executable is what to start with the protocol's Argument; "" is this one.
	Executable string
	// Env gives the environment of which the process gets a part; nil is
	// os.Environ.
	Env func() []string
}

// reapTime bounds the wait for a killed process. Only one that a driver holds
// in the kernel takes longer; it is reaped when it comes back.
const reapTime = 5 * time.Second

// Start makes sure that nobody else could have put code into the library, and
// starts a process for it, which loads nothing before it is asked to. Causes
// Unreachable (no such library), NotPermitted.
func (l Protocol) Start(p Program, library string) (*Process, error) {
	if err := loadable(library); err != nil {
		return nil, err
	}
	return l.spawn(p)
}

// spawn starts a process.
func (l Protocol) spawn(p Program) (*Process, error) {
	executable, env := p.Executable, p.Env
	if executable == "" {
		executable = "/proc/self/exe"
	}
	if env == nil {
		env = os.Environ
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fault.Wrap(fault.Unreachable, err, "start the helper process")
	}
	// What a library prints reaches nobody's output.
	c, err := startChild(executable, []string{"ssovault", l.Argument}, clean(env()), theirs)
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return nil, fault.Wrap(fault.Unreachable, err, "start the helper process")
	}
	return &Process{child: c, conn: ours, known: l.Known}, nil
}

func loadable(library string) error {
	if !filepath.IsAbs(library) {
		return fault.New(fault.NotPermitted, "the PKCS#11 library %q is not named by an absolute path", library).
			With("name it by its absolute path")
	}
	if _, err := os.Stat(library); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Unreachable, "there is no PKCS#11 library at %s", library).
			With("install the vendor's client, or correct the path of the library")
	}
	err := owner.Protected(library, os.Geteuid())
	if err == nil {
		err = readable(library)
	}
	if errors.Is(err, fs.ErrPermission) {
		return (&fault.Error{Op: "load the PKCS#11 library", Cause: fault.NotPermitted, Err: err}).With(adviceGroup)
	}
	return fault.Wrap(fault.NotPermitted, err, "load the PKCS#11 library")
}

// adviceGroup is the remedy where a vendor's files may not be opened.
const adviceGroup = "let this user read the library and the folders above it; for a Luna the user must be in the group hsmusers"

// readable tells why this user may not read a library. What else is wrong with it
// shows when it is loaded.
func readable(library string) error {
	f, err := os.Open(library)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	}
	return f.Close()
}
