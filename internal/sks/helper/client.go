// Package helper is secure key storage in a token whose library runs in a
// process of its own.
package helper

import (
	"context"
	"os"
	"sync"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/isolate"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Client reaches tokens through helper processes: one for each login. Its zero
// value is ready. It may be used by several goroutines.
type Client struct {
	isolate.Program

	mu     sync.Mutex
	early  *isolate.Early // nil when there is none, or it was used
	ending sync.WaitGroup // processes whose sessions were closed
}

var _ sks.Dialer = (*Client)(nil)

// Tokens lists what the library sees, without a login. Causes: Unreachable,
// NotPermitted where others could change the library.
func (c *Client) Tokens(ctx context.Context, library string, t sks.Timeouts) ([]sks.Token, error) {
	t = t.WithDefaults()
	p, err := c.start(library)
	if err != nil {
		return nil, err
	}
	defer p.Kill()
	resp, _, err := ask(ctx, p, t.Question, request{Op: opTokens, Library: library, Wait: t.Question / 2})
	if err != nil {
		return nil, sks.Unreached(err, library, os.Geteuid())
	}
	return resp.Tokens, nil
}

// Dial logs in once, in a new helper process that lives as long as the Store.
// It wipes pin. The Store is also an sks.Rememberer and an sks.Keeper. The
// token is told even when the login was refused. Causes: as p11.Open, and
// NotPermitted where others could change the library.
func (c *Client) Dial(ctx context.Context, a sks.Access, pin secret.Value) (sks.Store, sks.Token, error) {
	defer pin.Wipe()
	a.Timeouts = a.Timeouts.WithDefaults()
	p, err := c.start(a.Library)
	if err != nil {
		return nil, sks.Token{}, err
	}
	deadline := a.Timeouts.Use
	if a.Serialise {
		deadline += a.Timeouts.Use // the wait for other processes is bounded by the same
	}
	resp, _, err := ask(ctx, p, deadline, request{Op: opDial, Access: &a}, pin.Bytes())
	var token sks.Token
	if resp.Token != nil {
		token = *resp.Token
	}
	if err != nil {
		p.Kill()
		return nil, token, sks.Unreached(err, a.Library, os.Geteuid())
	}
	if resp.Token == nil {
		p.Kill()
		return nil, token, fault.New(fault.Unreachable, "%s: the helper process answered nonsense: no token", doing[opDial])
	}
	return &store{process: p, timeouts: a.Timeouts, ending: &c.ending}, token, nil
}

// Early starts the helper process of the next login now, beside what the caller
// does before it. Whoever calls it calls Close.
func (c *Client) Early() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.early == nil {
		c.early = protocol.Early(c.Program)
	}
}

// Close waits until every process of a closed Store has gone, and ends the one
// that Early started for nothing. A caller that becomes another program would
// leave them to it. The Client can still be used.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.early != nil {
		c.early.Discard()
		c.early = nil
	}
	c.ending.Wait()
}

// start starts a helper process, or takes the one that is there.
func (c *Client) start(library string) (*isolate.Process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if early := c.early; early != nil {
		c.early = nil
		p, err := early.Start(library)
		if err != nil {
			early.Discard()
		}
		return p, err
	}
	return protocol.Start(c.Program, library)
}

// ask asks a helper one thing.
func ask(ctx context.Context, p *isolate.Process, within time.Duration, req request, payload ...[]byte) (resp response, out []byte, err error) {
	out, err = p.Do(ctx, isolate.Call{Doing: doing[req.Op], Within: within, Ask: &req, Payload: payload}, &resp)
	return resp, out, err
}
