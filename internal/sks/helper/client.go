// Package helper keeps PKCS#11 libraries out of the program's own process. A
// library can hang for minutes, crash, print, or end the process it is in; it
// does so in a helper process, which is the program started once more, and the
// program sees cause Unreachable.
package helper

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/owner"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Client reaches tokens through helper processes: one for each login. Its zero
// value is ready. It may be used by several goroutines.
type Client struct {
	// Executable is the program to start with Argument; "" is this one.
	Executable string
	// Env gives the environment of which the helper gets a part; nil is
	// os.Environ.
	Env func() []string
}

var _ sks.Dialer = (*Client)(nil)

// Tokens lists what the library sees, without a login. Causes: Unreachable,
// NotPermitted where others could change the library.
func (c *Client) Tokens(ctx context.Context, library string, t sks.Timeouts) ([]sks.Token, error) {
	t = withDefaults(t)
	p, err := c.start(library)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	resp, _, err := p.call(ctx, t.Question, request{Op: opTokens, Library: library, Wait: t.Question / 2})
	if err != nil {
		return nil, err
	}
	return resp.Tokens, nil
}

// Dial logs in once, in a new helper process that lives as long as the Store.
// It wipes pin. The Store is also an sks.Rememberer and an sks.Keeper. The
// token is told even when the login was refused. Causes: as p11.Open, and
// NotPermitted where others could change the library.
func (c *Client) Dial(ctx context.Context, a sks.Access, pin secret.Value) (sks.Store, sks.Token, error) {
	defer pin.Wipe()
	a.Timeouts = withDefaults(a.Timeouts)
	p, err := c.start(a.Library)
	if err != nil {
		return nil, sks.Token{}, err
	}
	deadline := a.Timeouts.Use
	if a.Serialise {
		deadline += a.Timeouts.Use // the wait for other processes is bounded by the same
	}
	resp, _, err := p.call(ctx, deadline, request{Op: opDial, Access: &a}, pin.Bytes())
	var token sks.Token
	if resp.Token != nil {
		token = *resp.Token
	}
	if err != nil {
		p.kill()
		return nil, token, err
	}
	if resp.Token == nil {
		p.kill()
		return nil, token, fault.New(fault.Unreachable, "%s: the helper process answered nonsense: no token", doing[opDial])
	}
	return &store{process: p, timeouts: a.Timeouts}, token, nil
}

// start makes sure that nobody else could have put code into the library, and
// starts a helper process.
func (c *Client) start(library string) (*process, error) {
	if err := loadable(library); err != nil {
		return nil, err
	}
	executable, env := c.Executable, c.Env
	if executable == "" {
		executable = "/proc/self/exe"
	}
	if env == nil {
		env = os.Environ
	}
	return startProcess(executable, clean(env()))
}

func loadable(library string) error {
	if !filepath.IsAbs(library) {
		return fault.New(fault.NotPermitted, "the PKCS#11 library %q is not named by an absolute path", library).
			With("name it by its absolute path")
	}
	if _, err := os.Stat(library); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Unreachable, "there is no PKCS#11 library at %s", library).
			With("install the vendor's client, or correct the path of the library")
	}
	return fault.Wrap(fault.NotPermitted, owner.Protected(library, os.Geteuid()), "load the PKCS#11 library")
}

func withDefaults(t sks.Timeouts) sks.Timeouts {
	for _, d := range []struct {
		have *time.Duration
		or   time.Duration
	}{
		{&t.Question, sks.DefaultTimeouts.Question},
		{&t.Use, sks.DefaultTimeouts.Use},
		{&t.Make, sks.DefaultTimeouts.Make},
	} {
		if *d.have <= 0 {
			*d.have = d.or
		}
	}
	return t
}
