package terminal

import (
	"errors"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// What was typed ahead is dropped, but for the wish to break off.
func TestTypedAhead(t *testing.T) {
	for typed, end := range map[string]bool{"": false, "ahead\n": false, "half": false, "\x04": true, "ahead\n\x04": true, "half\x04": true} {
		keyboard, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keyboard.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		was, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Hold(tty, true, func(t *unix.Termios) { t.Lflag &^= unix.ECHO })
		if errors.Is(err, ErrEnd) != end || !end && err != nil {
			t.Errorf("%q: %v", typed, err)
		}
		if err == nil {
			if _, err := keyboard.WriteString("now\n"); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			if n, err := tty.Read(b); err != nil || string(b[:n]) != "now\n" {
				t.Errorf("%q: then %q, %v", typed, b[:n], err)
			}
			m.Restore()
		}
		if is, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS); err != nil || *is != *was {
			t.Errorf("%q: the terminal is left otherwise: %v", typed, err)
		}
		tty.Close()
		keyboard.Close()
	}
}
