package isolate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"ssovault/internal/fault"
)

// explain ends the process and says how it failed. Cause Unreachable, or
// Interrupted where the caller gave up.
func (p *Process) explain(ctx context.Context, c Call, err error) error {
	if ctx.Err() != nil {
		p.leave()
	} else {
		p.Kill()
	}
	fail := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Unreachable, "%s: %s", c.Doing, fmt.Sprintf(format, args...))
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fault.Wrap(fault.Interrupted, ctx.Err(), "%s", c.Doing)
	case ctx.Err() != nil:
		e := fail("given up before the PKCS#11 library answered")
		e.Err = ctx.Err()
		return e
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail("the PKCS#11 library did not answer within %v", c.Within)
	case broken(err):
		return fail("the PKCS#11 library %s", p.ending())
	}
	e := fail("the helper process answered nonsense")
	e.Err = err
	return e
}

// broken tells whether the other end is gone, rather than wrong.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// ending says how the process came to its end. The kernel fixes it before it
// closes the socket, so that the kill that followed does not hide it.
func (p *Process) ending() string {
	status, ended := p.child.ending()
	switch {
	case !ended:
		return "hangs in the kernel"
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return "was killed, or closed the helper's connection"
	case status.Signaled():
		return fmt.Sprintf("crashed (%v)", status.Signal())
	}
	return fmt.Sprintf("ended the process with status %d", status.ExitStatus())
}
