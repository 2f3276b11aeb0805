package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
	"ssovault/internal/terminal"
)

// maxTyped is the most that is read of a typed line.
const maxTyped = 1024

// without takes modes of a terminal away (ECHO, ICANON); Ctrl-C stays a signal.
func without(modes uint32) func(*unix.Termios) {
	return func(t *unix.Termios) {
		t.Lflag |= unix.ICANON | unix.ISIG
		t.Lflag &^= modes
		if modes&unix.ICANON != 0 {
			t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
		}
	}
}

// promptOnTerminal asks without an echo. Ctrl-C, and Ctrl-D on an empty line,
// break off; Ctrl-Z does nothing.
func promptOnTerminal(ctx context.Context, question string) (secret.Value, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return secret.Value{}, err
	}
	defer tty.Close()
	fd := int(tty.Fd())
	mode, err := terminal.Hold(tty, true, without(unix.ECHO))
	if errors.Is(err, terminal.ErrEnd) {
		return secret.Value{}, fault.New(fault.Interrupted, "interrupted")
	}
	if err != nil {
		return secret.Value{}, err
	}
	defer func() {
		mode.Restore()
		fmt.Fprintln(tty)
	}()
	fmt.Fprintf(tty, "%s: ", question)

	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		b := make([]byte, maxTyped)
		n, err := unix.Read(fd, b) // the terminal gives whole lines
		typed <- line{b[:max(n, 0)], err}
	}()
	select {
	case l := <-typed:
		n := len(l.text)
		switch {
		case l.err != nil:
			return secret.Value{}, l.err
		case n == 0, l.text[n-1] == terminal.End: // typed while the terminal was being set
			secret.Wipe(l.text)
			return secret.Value{}, fault.New(fault.Interrupted, "interrupted")
		case l.text[n-1] != '\n':
			secret.Wipe(l.text)
			return secret.Value{}, errors.New("the line is too long, or has no end")
		}
		kept := l.text[:0]
		for _, c := range l.text[:n-1] {
			if c != terminal.Suspend {
				kept = append(kept, c)
			}
		}
		secret.Wipe(l.text[len(kept):])
		return secret.New(kept), nil
	case <-ctx.Done():
		// The read goes on until the process ends, which is now.
		return secret.Value{}, fault.New(fault.Interrupted, "interrupted")
	}
}
