package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// maxTyped is the most that is read of a typed line.
const maxTyped = 1024

// promptOnTerminal asks without an echo. Ctrl-C, and Ctrl-D on an empty line,
// break off.
func promptOnTerminal(ctx context.Context, question string) (secret.Value, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return secret.Value{}, err
	}
	defer tty.Close()
	fd := int(tty.Fd())
	found, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return secret.Value{}, err
	}
	quiet := *found
	quiet.Lflag &^= unix.ECHO
	quiet.Lflag |= unix.ICANON | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &quiet); err != nil {
		return secret.Value{}, err
	}
	defer func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, found)
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
		case n == 0:
			return secret.Value{}, fault.New(fault.Interrupted, "interrupted")
		case l.text[n-1] != '\n':
			secret.Wipe(l.text)
			return secret.Value{}, errors.New("the line is too long, or has no end")
		}
		return secret.New(l.text[:n-1]), nil
	case <-ctx.Done():
		// The read goes on until the process ends, which is now.
		return secret.Value{}, fault.New(fault.Interrupted, "interrupted")
	}
}
