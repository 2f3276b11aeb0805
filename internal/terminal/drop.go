package terminal

import (
	"bytes"
	"errors"

	"golang.org/x/sys/unix"
)

// End is Ctrl-D as it arrives where keys come one by one.
const End = 0x04

// ErrEnd is what Hold and Set answer when Ctrl-D was typed ahead: what is dropped
// then was no answer, and yet somebody wants to break off.
var ErrEnd = errors.New("the input ended")

// drop takes away what was typed before, without an echo, and looks for Ctrl-D in
// it. The kernel's own way (TCSETSF) would lose that too.
func (m *Mode) drop(next unix.Termios) error {
	next.Lflag &^= unix.ICANON | unix.ECHO | unix.ECHONL
	next.Cc[unix.VMIN], next.Cc[unix.VTIME] = 0, 0 // a read gives what is there
	if err := m.apply(&next); err != nil {
		return err
	}
	ended := false
	err := m.control(func(fd int) error {
		var chunk [256]byte
		defer clear(chunk[:])
		for {
			n, err := unix.Read(fd, chunk[:])
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case n <= 0, err != nil: // what cannot be read now fails at the question
				return nil
			}
			// NUL is how the kernel keeps a Ctrl-D that was typed while it gave lines.
			ended = ended || bytes.ContainsAny(chunk[:n], "\x00\x04")
		}
	})
	if err == nil && ended {
		err = ErrEnd
	}
	return err
}
