package isolate

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is a process that was started. Package os/exec would first make a
// process for nothing, to learn what the kernel knows of pidfds, and open the
// null device three times: together a twentieth of a whole start.
type child struct {
	pid   int
	ended chan struct{} // closed when it is reaped

	mu     sync.Mutex // from its end to its reaping, so that kill meets no other
	reaped bool
	status syscall.WaitStatus
}

// startChild starts a program in a process group of its own, with the null
// device as standard input and outputs, and conn as descriptor 3.
func startChild(executable string, argv, env []string, conn *os.File) (*child, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	pid, err := syscall.ForkExec(executable, argv, &syscall.ProcAttr{
		Dir:   "/",
		Env:   env,
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), conn.Fd()},
		// Ctrl-C on the terminal is the caller's to answer; a library must not be
		// cut off in the middle of a call by it.
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, &os.PathError{Op: "start", Path: executable, Err: err}
	}
	c := &child{pid: pid, ended: make(chan struct{})}
	go c.reap()
	return c, nil
}

// reap waits for the end: first without reaping, as long as the process id may
// be nobody else's.
func (c *child) reap() {
	retry(func() error { return unix.Waitid(unix.P_PID, c.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) })
	c.mu.Lock()
	defer c.mu.Unlock()
	retry(func() error { _, err := syscall.Wait4(c.pid, &c.status, 0, nil); return err })
	c.reaped = true
	close(c.ended)
}

// retry calls again what a signal cut off. Other errors say that somebody else
// reaps our children: then it has ended, one knows not how.
func retry(wait func() error) {
	for errors.Is(wait(), syscall.EINTR) {
	}
}

// kill ends it at once, unless it has ended.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		_ = syscall.Kill(c.pid, syscall.SIGKILL) // it can only be on its way out
	}
}

// wait tells whether it was reaped in time.
func (c *child) wait(atMost time.Duration) bool {
	t := time.NewTimer(atMost)
	defer t.Stop()
	select {
	case <-c.ended:
		return true
	case <-t.C:
		return false
	}
}

// ending gives how it ended; not ok before.
func (c *child) ending() (status syscall.WaitStatus, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status, c.reaped
}
