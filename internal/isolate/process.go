package isolate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// Process is a running process with a library. It may be used by several
// goroutines; it does one thing at a time.
type Process struct {
	*child
	conn  *os.File
	known []error

	mu     sync.Mutex // one call at a time
	failed error      // what ended it; every further call says so
}

// socketPair gives both ends; ours takes deadlines.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs = os.NewFile(uintptr(fds[1]), "helper's end")
	if err := unix.SetNonblock(fds[0], true); err != nil {
		_ = unix.Close(fds[0])
		_ = theirs.Close()
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "helper"), theirs, nil
}

// Call is one question to a library.
type Call struct {
	// Doing says it, as an error message does: "look for the key".
	Doing string
	// Within is how long it may take.
	Within time.Duration
	Ask    Message
	// Payload follows the message, part after part: PINs, plaintexts, boxes.
	Payload [][]byte
}

// Do asks, and reads the answer into resp, until the deadline or the end of ctx.
// A process that fails in any way is killed: cause Unreachable, then and at
// every further call. When ctx is cancelled it may finish its call, for a few
// seconds: cause Interrupted. Other errors are those of the library, and resp is
// read with them. The caller wipes the payload.
func (p *Process) Do(ctx context.Context, c Call, resp Message) (payload []byte, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return nil, fault.Wrap(fault.Unreachable, p.failed, "%s: the helper process is gone", c.Doing)
	}
	head, err := Encode(c.Ask)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Doing, err)
	}
	if n := total(c.Payload); n > maxPayload || len(head) > maxHead {
		return nil, fault.New(fault.Usage, "%s: %d bytes are more than a sealed file may hold", c.Doing, n)
	}
	var failed failure
	payload, err = p.exchange(ctx, c, head, &failed, resp)
	if err != nil {
		p.failed = p.explain(ctx, c, err)
		return nil, p.failed
	}
	if err := failed.unpack(p.known); err != nil {
		secret.Wipe(payload)
		return nil, err
	}
	return payload, nil
}

func total(payload [][]byte) (n int) {
	for _, p := range payload {
		n += len(p)
	}
	return n
}

// exchange writes a message and reads one.
func (p *Process) exchange(ctx context.Context, c Call, head []byte, failed *failure, resp Message) (out []byte, err error) {
	if err := p.conn.SetDeadline(time.Now().Add(c.Within)); err != nil {
		return nil, err
	}
	cut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(cut)
		_ = p.conn.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-cut // or it could cut the next exchange short
		}
	}()
	if err := writeFrame(p.conn, head, c.Payload...); err != nil {
		return nil, err
	}
	head, out, err = readFrame(p.conn)
	if err != nil {
		return nil, err
	}
	if err := decodeAnswer(head, failed, resp); err != nil {
		secret.Wipe(out)
		return nil, err
	}
	return out, nil
}

// Kill ends the process at once and waits for it.
func (p *Process) Kill() {
	_ = p.conn.Close()
	p.child.kill()
	p.wait(reapTime)
}

// leave lets the process end its call by itself, for as long as it may.
func (p *Process) leave() {
	_ = p.conn.Close()
	if !p.wait(afterlife + reapTime) {
		p.Kill()
	}
}

// Ailing tells whether the process failed, and so is no more.
func (p *Process) Ailing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed != nil
}

// End waits for a process that was asked to end, and kills one that does not.
func (p *Process) End(atMost time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = errors.New("the session was closed")
	}
	if !p.wait(atMost) {
		p.child.kill()
		p.wait(reapTime)
	}
	_ = p.conn.Close()
}
