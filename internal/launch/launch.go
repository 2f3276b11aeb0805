// Package launch starts the service with its unsealed settings: it becomes the
// service (Exec), or stays as its parent (Supervise). What it hands over lives
// in memory only.
package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/vault"
)

// The variables that name the settings to the service.
const (
	EnvInstance = "SSOVAULT_INSTANCE"
	EnvShared   = "SSOVAULT_SHARED"
	EnvPrefix   = "SSOVAULT_P_"
)

// How long a start waits for whoever holds .running alone.
const (
	runningWait = 5 * time.Second
	runningPoll = 20 * time.Millisecond
)

// maxEnv is the longest variable that Linux takes (MAX_ARG_STRLEN).
const maxEnv = 128 << 10

// Command is the service to start.
type Command struct {
	Path string   // as LookPath found it
	Argv []string // argv[0] as it was given
	Env  []string
}

// Find looks the command up in PATH. Cause CommandNotFound or
// CommandNotRunnable.
func Find(argv []string) (string, error) {
	path, err := exec.LookPath(argv[0])
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", fault.Wrap(fault.CommandNotRunnable, err, "run %s", argv[0])
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EISDIR):
		return "", fault.Wrap(fault.CommandNotRunnable, err, "run")
	}
	return "", fault.Wrap(fault.CommandNotFound, err, "run")
}

// Exec becomes the command: same process, so that signals and exit status are
// its own. The settings are two sealed memory files that it inherits. It
// returns only when that failed.
func Exec(c Command, p vault.Plain) error {
	var handed []string
	for _, one := range []struct {
		name, variable string
		text           []byte
	}{{"ssovault-instance", EnvInstance, p.Instance}, {"ssovault-shared", EnvShared, p.Shared}} {
		fd, err := memoryFile(one.name, one.text)
		if err != nil {
			return err
		}
		handed = append(handed, one.variable+"=/proc/self/fd/"+strconv.Itoa(fd))
	}
	p.Wipe()
	ignoreAgain()
	umaskAsGiven()
	err := syscall.Exec(c.Path, c.Argv, WithEnv(c.Env, handed))
	return fault.Wrap(execCause(err), err, "run %s", c.Path)
}

func execCause(err error) fault.Cause {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.CommandNotFound // its interpreter, if it was there before
	}
	return fault.CommandNotRunnable
}

// memoryFile makes a memory file that nobody can change, not closed on exec.
// Mode 0444 lets a command read it after it changed its user.
func memoryFile(name string, content []byte) (fd int, err error) {
	fd, err = unix.MemfdCreate(name, unix.MFD_ALLOW_SEALING)
	if err != nil {
		return -1, fmt.Errorf("make a memory file: %w", err)
	}
	for rest := content; len(rest) > 0; {
		n, err := unix.Write(fd, rest)
		if err != nil {
			return -1, fmt.Errorf("write a memory file: %w", err)
		}
		rest = rest[n:]
	}
	if err := unix.Fchmod(fd, 0o444); err != nil {
		return -1, fmt.Errorf("set the mode of a memory file: %w", err)
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return -1, fmt.Errorf("seal a memory file: %w", err)
	}
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return -1, fmt.Errorf("rewind a memory file: %w", err)
	}
	return fd, nil
}

// WithEnv puts variables into an environment in place of those of the same
// name, since the first of two counts for some programs and the last for
// others.
func WithEnv(env, add []string) []string {
	name := func(entry string) string { n, _, _ := strings.Cut(entry, "="); return n }
	out := slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		return slices.ContainsFunc(add, func(a string) bool { return name(a) == name(entry) })
	})
	return append(out, add...)
}

// Variables gives a variable for each property: SSOVAULT_P_ and the key in
// upper case, other characters than letters and digits as _. Two keys that give
// one name, a NUL and a value that is too long are refused by name.
func Variables(sets ...*properties.Set) ([]string, error) {
	var env []string
	from := map[string]string{}
	for _, set := range sets {
		for _, key := range set.Keys() {
			name := EnvPrefix + strings.Map(envRune, key)
			if other, taken := from[name]; taken {
				return nil, fault.New(fault.Usage, "the properties %q and %q would both be the variable %s", other, key, name)
			}
			from[name] = key
			value, _ := set.Get(key)
			if strings.ContainsRune(value, 0) {
				return nil, fault.New(fault.Usage, "the property %q holds a NUL and cannot be a variable", key)
			}
			if len(name)+1+len(value)+1 > maxEnv {
				return nil, fault.New(fault.Usage, "the property %q is longer than the 128 KiB that a variable may be", key)
			}
			env = append(env, name+"="+value)
		}
	}
	return env, nil
}

func envRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return r - 'a' + 'A'
	case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return r
	}
	return '_'
}

// HoldRunning takes the shared lock on BASE/run/.running and leaves it to the
// command, not closed on exec: restore and disabling wait for it to go. Cause
// Busy when one of those runs now.
func HoldRunning(path string) (fd int, err error) {
	fd, err = unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(durable.FileMode))
	if err == unix.EROFS {
		return -1, nil // nobody can restore or disable anything here
	}
	if err != nil {
		return -1, fault.Wrap(durable.Cause(err), err, "open %s", path)
	}
	// Whoever only looks whether a service runs holds it for a moment.
	for deadline := time.Now().Add(runningWait); ; time.Sleep(runningPoll) {
		if err = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB); err == nil {
			break
		}
		if time.Now().After(deadline) {
			unix.Close(fd)
			return -1, fault.New(fault.Busy, "%s is held: settings are being restored or disabled", path)
		}
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("hand over %s: %w", path, err)
	}
	return fd, nil
}

// Stdio are the streams of a supervised command.
type Stdio struct{ In, Out, Err *os.File }
