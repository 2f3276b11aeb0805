package pin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// Limits of what a source may give.
const (
	maxSize     = 1024 // bytes; a Luna takes 255
	commandTime = 10 * time.Second
)

// Reader reads sources. Only its Prompt may ask a person.
type Reader struct {
	// File is what the source "file" without a path means: BASE/sks.pin.
	File string
	// UID owns the files that may be read, beside root.
	UID int
	// LookupEnv finds a variable that was taken out of the environment, or
	// that is still in it.
	LookupEnv func(name string) (string, bool)
	// What is read, as advice calls it; "" is the PIN.
	What string
	// Prompt asks on the terminal. Nil: nobody is there to be asked.
	Prompt func(ctx context.Context, question string) (secret.Value, error)
}

// Read gives the secret that s names, less one trailing newline. Cause
// PINUnavailable when the source is absent or empty, NotPermitted when a file
// is open to others.
func (r Reader) Read(ctx context.Context, s Source, question string) (secret.Value, error) {
	if s.Kind == KindPrompt { // watches ctx itself, and must give the terminal back
		v, err := r.read(ctx, s, question)
		return v, fault.Wrap(fault.PINUnavailable, err, "the secret from %s", s.Shown())
	}
	type outcome struct {
		v   secret.Value
		err error
	}
	done := make(chan outcome, 1)
	go func() { // a descriptor or a command may never answer
		v, err := r.read(ctx, s, question)
		done <- outcome{v, err}
	}()
	var v secret.Value
	var err error
	select {
	case o := <-done:
		v, err = o.v, o.err
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		v.Wipe()
		return secret.Value{}, fault.New(fault.Interrupted, "interrupted")
	}
	if err != nil {
		return secret.Value{}, fault.Wrap(fault.PINUnavailable, err, "the secret from %s", s.Shown())
	}
	if v.Len() == 0 {
		return secret.Value{}, fault.Wrap(fault.PINUnavailable, ErrNone, "the secret from %s", s.Shown())
	}
	return v, nil
}

func (r Reader) read(ctx context.Context, s Source, question string) (secret.Value, error) {
	switch s.Kind {
	case KindFile:
		return r.readFile(r.path(s), 0o077)
	case KindCredential:
		dir, ok := r.LookupEnv("CREDENTIALS_DIRECTORY")
		if !ok || dir == "" {
			return secret.Value{}, errors.New("$CREDENTIALS_DIRECTORY is not set: systemd gives it to a unit with LoadCredential=")
		}
		// systemd gives the unit's user the right by an ACL, whose mask shows as
		// the group's rights; the folder is the unit's own.
		return r.readFile(filepath.Join(dir, s.Arg), 0o007)
	case KindCommand:
		return readCommand(ctx, strings.Fields(s.Arg))
	case KindEnv:
		value, ok := r.LookupEnv(s.Arg)
		if !ok {
			return secret.Value{}, fmt.Errorf("the variable %s is not set", s.Arg)
		}
		return trim([]byte(value))
	case KindFD:
		n, err := strconv.Atoi(s.Arg)
		if err != nil {
			return secret.Value{}, err
		}
		// Descriptors of this program's own are closed on exec; one that was
		// handed over is not.
		if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
			return secret.Value{}, errors.New("no such descriptor was handed over")
		}
		f := os.NewFile(uintptr(n), "descriptor "+s.Arg)
		defer f.Close()
		return readAll(f)
	case KindPrompt:
		if r.Prompt == nil {
			return secret.Value{}, errors.New("there is no terminal to ask on")
		}
		return r.Prompt(ctx, question)
	}
	return secret.Value{}, fmt.Errorf("%q is no source", s.Kind)
}

func (r Reader) path(s Source) string {
	if s.Arg == "" {
		return r.File
	}
	return s.Arg
}

// readFile opens once, without following a link, and judges what was opened:
// ours or root's, and none of the forbidden rights.
func (r Reader) readFile(path string, forbidden fs.FileMode) (secret.Value, error) {
	f, err := durable.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Value{}, fmt.Errorf("there is no file %s", path)
	}
	if err != nil {
		return secret.Value{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return secret.Value{}, err
	}
	if err := durable.Private(info, path, r.UID, forbidden, "then change the "+cmp.Or(r.What, "PIN")+", since others may have read it"); err != nil {
		return secret.Value{}, err
	}
	return readAll(f)
}

// readCommand takes what a command prints. No shell is between; its standard
// error goes where ours goes, its input is empty.
func readCommand(ctx context.Context, argv []string) (secret.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second // a grandchild may keep the pipe open
	out, err := cmd.StdoutPipe()
	if err != nil {
		return secret.Value{}, err
	}
	if err := cmd.Start(); err != nil {
		return secret.Value{}, fmt.Errorf("start it: %w", err)
	}
	v, readErr := readAll(out)
	if readErr != nil {
		_ = cmd.Process.Kill() // it may wait for ever for a reader
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		err = fmt.Errorf("no answer within %v", commandTime)
	case readErr != nil: // and it was killed for that
		err = readErr
	}
	if err != nil {
		v.Wipe()
		return secret.Value{}, err
	}
	return v, nil
}

// readAll reads up to maxSize bytes and drops one trailing newline.
func readAll(r io.Reader) (secret.Value, error) {
	b := make([]byte, 0, maxSize+2) // one array, so that one Wipe reaches all
	for len(b) < cap(b) {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return trim(b)
		}
		if err != nil {
			secret.Wipe(b)
			return secret.Value{}, err
		}
	}
	secret.Wipe(b)
	return secret.Value{}, fmt.Errorf("more than %d bytes", maxSize)
}

func trim(b []byte) (secret.Value, error) {
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	if len(b) > maxSize {
		secret.Wipe(b)
		return secret.Value{}, fmt.Errorf("more than %d bytes", maxSize)
	}
	return secret.New(b), nil
}
