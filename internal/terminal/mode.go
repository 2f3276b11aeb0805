// Package terminal sets a terminal to what a question needs.
package terminal

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Suspend is Ctrl-Z as it arrives where it stops nobody. It is no part of what
// somebody types; whoever reads drops it.
const Suspend = 0x1A

// Mode is what a terminal is set to until Restore.
//
// Ctrl-Z stops nobody meanwhile: the shell would turn the echo on, nothing would
// turn it off at fg, and what the screen shows would stay under the shell's prompt.
// A stop from elsewhere (kill -STOP) cannot be prevented; when the program is
// continued the terminal is set again.
type Mode struct {
	conn      syscall.RawConn // Fd would end the deadlines of the file
	found     unix.Termios
	continued chan os.Signal
	watched   sync.WaitGroup

	mu  sync.Mutex
	now unix.Termios
}

// Hold sets a terminal to what it was found set to, with a change. flush drops
// what was typed before. Errors: ErrEnd, and that tty is no terminal, or closed.
func Hold(tty *os.File, flush bool, change func(*unix.Termios)) (*Mode, error) {
	conn, err := tty.SyscallConn()
	if err != nil {
		return nil, err
	}
	m := &Mode{conn: conn, continued: make(chan os.Signal, 1)}
	err = m.control(func(fd int) error {
		found, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err == nil {
			m.found = *found
		}
		return err
	})
	if err == nil {
		err = m.Set(flush, change)
		if errors.Is(err, ErrEnd) {
			_ = m.apply(&m.found)
		}
	}
	if err != nil {
		return nil, err
	}
	signal.Notify(m.continued, unix.SIGCONT)
	m.watched.Go(m.watch)
	return m, nil
}

// Set changes what the terminal was found set to in another way. Errors as Hold.
func (m *Mode) Set(flush bool, change func(*unix.Termios)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.found
	change(&next)
	next.Cc[unix.VSUSP] = 0 // _POSIX_VDISABLE
	if flush {
		if err := m.drop(next); err != nil {
			return err
		}
	}
	if err := m.apply(&next); err != nil {
		return err
	}
	m.now = next
	return nil
}

// Restore gives the terminal back as it was found; it may be gone.
func (m *Mode) Restore() {
	signal.Stop(m.continued) // waits for one that is on its way
	close(m.continued)
	m.watched.Wait()
	_ = m.apply(&m.found)
}

func (m *Mode) watch() {
	for range m.continued {
		m.mu.Lock()
		_ = m.apply(&m.now) // where it fails the next read does too
		m.mu.Unlock()
	}
}

func (m *Mode) apply(to *unix.Termios) error {
	return m.control(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, to) })
}

func (m *Mode) control(do func(fd int) error) (err error) {
	gone := m.conn.Control(func(fd uintptr) { err = do(int(fd)) })
	return errors.Join(gone, err)
}
