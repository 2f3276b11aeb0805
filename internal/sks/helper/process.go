package helper

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

// reapTime bounds the wait for a killed process. Only one that a driver holds
// in the kernel takes longer; it is reaped when it comes back.
const reapTime = 5 * time.Second

// process is a running helper.
type process struct {
	*child
	conn *os.File

	mu     sync.Mutex // one call at a time
	failed error      // what ended it; every further call says so
}

func startProcess(executable string, env []string) (*process, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fault.Wrap(fault.Unreachable, err, "start the helper process")
	}
	// What a library prints reaches nobody's output.
	c, err := startChild(executable, []string{"ssovault", Argument}, env, theirs)
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return nil, fault.Wrap(fault.Unreachable, err, "start the helper process")
	}
	return &process{child: c, conn: ours}, nil
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

// call asks one thing and waits for the answer until the deadline of its class
// or the end of ctx. A helper that fails in any way is killed.
func (p *process) call(ctx context.Context, within time.Duration, req request, payload ...[]byte) (response, []byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return response{}, nil, fault.Wrap(fault.Unreachable, p.failed, "%s: the helper process is gone", doing[req.Op])
	}
	head, err := encode(&req)
	if err != nil {
		return response{}, nil, fmt.Errorf("%s: %w", doing[req.Op], err)
	}
	if n := total(payload); n > maxPayload || len(head) > maxHead {
		return response{}, nil, fault.New(fault.Usage, "%s: %d bytes are more than a sealed file may hold", doing[req.Op], n)
	}
	resp, out, err := p.exchange(ctx, within, head, payload)
	if err != nil {
		p.failed = p.explain(ctx, within, req.Op, err)
		return response{}, nil, p.failed
	}
	if err := resp.Error.unpack(); err != nil {
		secret.Wipe(out)
		return resp, nil, err
	}
	return resp, out, nil
}

func total(payload [][]byte) (n int) {
	for _, p := range payload {
		n += len(p)
	}
	return n
}

// exchange writes a message and reads one.
func (p *process) exchange(ctx context.Context, within time.Duration, head []byte, payload [][]byte) (resp response, out []byte, err error) {
	if err := p.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return resp, nil, err
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
	if err := writeFrame(p.conn, head, payload...); err != nil {
		return resp, nil, err
	}
	head, out, err = readFrame(p.conn)
	if err != nil {
		return resp, nil, err
	}
	if err := decode(head, &resp); err != nil {
		secret.Wipe(out)
		return resp, nil, err
	}
	return resp, out, nil
}

// kill ends the process at once and waits for it.
func (p *process) kill() {
	_ = p.conn.Close()
	p.child.kill()
	p.wait(reapTime)
}

// ailing tells whether the process failed, and so is no more.
func (p *process) ailing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed != nil
}

// end waits for a process that was asked to end, and kills one that does not.
func (p *process) end(atMost time.Duration) {
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
