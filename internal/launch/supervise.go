package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/owner"
	"ssovault/internal/vault"
)

// folderPrefix begins the name of every settings folder.
const folderPrefix = "ssovault-run-"

// aliveFile is locked for as long as somebody needs the folder, so that the next
// start can clear away what killed ones left.
const aliveFile = ".alive"

// Supervise starts the command as a child, with the settings in a fresh folder
// on a tmpfs, for programs whose children close their descriptors. It forwards
// signals and gives the command's exit status, 128+n when signal n ended it.
// The folder goes with the command.
func Supervise(c Command, p vault.Plain, std Stdio) (status int, err error) {
	folder, err := NewScratch()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	// A command that outlives this process keeps its settings.
	if err := folder.bequeath(); err != nil {
		return 0, fmt.Errorf("hand over the folder of the settings: %w", err)
	}
	handed := []string{}
	for _, one := range []struct {
		name, variable string
		text           []byte
	}{{vault.InstanceClear, EnvInstance, p.Instance}, {vault.SharedClear, EnvShared, p.Shared}} {
		path := filepath.Join(folder.Path, one.name)
		if err := durable.Create(path, one.text); err != nil {
			return 0, err
		}
		handed = append(handed, one.variable+"="+path)
	}
	p.Wipe()

	cmd := &exec.Cmd{Path: c.Path, Args: c.Argv, Env: WithEnv(c.Env, handed), Stdin: std.In, Stdout: std.Out, Stderr: std.Err}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals)
	ignoreForChild()
	umaskAsGiven() // nothing more is made here
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fault.Wrap(execCause(err), err, "run %s", c.Path)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if forwarded(s.(syscall.Signal)) {
					_ = cmd.Process.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	err = cmd.Wait()
	close(done)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("wait for %s: %w", c.Path, err)
	}
	ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return ws.ExitStatus(), nil
}

// forwarded tells which signals are meant for the command. Those that a
// terminal sends have already reached it, as a member of the same foreground
// group; SIGURG is how the Go runtime preempts itself.
func forwarded(s syscall.Signal) bool {
	switch s {
	case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE:
		return false
	case syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGWINCH:
		return !inForeground()
	}
	return true
}

// inForeground tells whether a terminal counts this process among its
// foreground group.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// Scratch is a folder of mode 0700 on a tmpfs, held by a lock.
type Scratch struct {
	Path  string
	alive *os.File
}

// NewScratch makes one, after clearing away those that nobody holds any more.
func NewScratch() (*Scratch, error) {
	root, err := MemoryRoot()
	if err != nil {
		return nil, err
	}
	sweepFolders(root)
	s := new(Scratch)
	if s.Path, err = os.MkdirTemp(root, folderPrefix); err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "make a folder in memory")
	}
	// Locked under another name first: a start in parallel that finds the name
	// finds the lock too.
	unlocked := filepath.Join(s.Path, aliveFile+".new")
	s.alive, err = os.OpenFile(unlocked, os.O_CREATE|os.O_EXCL|os.O_RDWR, durable.FileMode)
	if err == nil {
		err = unix.Flock(int(s.alive.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = durable.Rename(unlocked, filepath.Join(s.Path, aliveFile))
	}
	if err != nil {
		return nil, errors.Join(fault.Wrap(durable.Cause(err), err, "hold a folder in memory"), os.RemoveAll(s.Path))
	}
	return s, nil
}

// bequeath lets the children of this process hold the folder too.
func (s *Scratch) bequeath() error {
	_, err := unix.FcntlInt(s.alive.Fd(), unix.F_SETFD, 0)
	return err
}

// Close removes the folder with all that is in it.
func (s *Scratch) Close() error {
	defer s.alive.Close()
	return os.RemoveAll(s.Path)
}

// Leave lets the folder be, for somebody to look at: no start clears it away,
// the next reboot does.
func (s *Scratch) Leave() error {
	defer s.alive.Close()
	return durable.Remove(filepath.Join(s.Path, aliveFile))
}

// sweepFolders removes the folders of this user whose parent was killed.
func sweepFolders(root string) {
	left, _ := filepath.Glob(filepath.Join(root, folderPrefix+"*"))
	for _, folder := range left {
		info, err := os.Lstat(folder)
		if err != nil || !info.IsDir() || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			continue
		}
		alive, err := durable.OpenFile(filepath.Join(folder, aliveFile))
		if err != nil {
			continue // being made right now, or not ours
		}
		if unix.Flock(int(alive.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.RemoveAll(folder)
		}
		alive.Close()
	}
}

// MemoryRoot finds a folder on a tmpfs that this user may write to.
func MemoryRoot() (string, error) {
	candidates := []string{os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("/run/user/%d", os.Geteuid()), "/dev/shm", "/run"}
	for _, dir := range candidates {
		if dir == "" {
			continue
		}
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && (st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC) &&
			unix.Access(dir, unix.W_OK|unix.X_OK) == nil && trusted(dir) {
			return dir, nil
		}
	}
	tried := strings.Join(candidates[1:], ", ")
	return "", fault.New(fault.NotPermitted, "no folder in memory (tmpfs) that may be written to; looked at $XDG_RUNTIME_DIR, %s", tried).
		With("mount one: mount -t tmpfs -o mode=1777 tmpfs /dev/shm; in a container, give it one")
}

// trusted tells whether nobody else can take away what this user makes in a
// folder: it is the user's own or root's, and others may write only where the
// sticky bit keeps them off (/dev/shm).
func trusted(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || owner.Protected(filepath.Dir(dir), os.Geteuid()) != nil {
		return false
	}
	uid := int(info.Sys().(*syscall.Stat_t).Uid)
	sticky := uid == 0 && info.Mode()&os.ModeSticky != 0
	return (uid == 0 || uid == os.Geteuid()) && (info.Mode().Perm()&0o022 == 0 || sticky)
}
