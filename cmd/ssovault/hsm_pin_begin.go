package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// pinWork is one run of such a command.
type pinWork struct {
	*app
	pinOptions
	visits []*visit // the tokens, without a login
	site   site
	state  *vault.Folder
	change *vault.PINChange
	next   secret.Value
	// old is what is needed to set the new PIN: the old one, or the security
	// officer's; not ready until it was read.
	old       secret.Value
	oldSource pin.Source
	oldReady  bool
	resumed   bool
}

func (w *pinWork) close() {
	w.next.Wipe()
	w.old.Wipe()
	for _, v := range w.visits {
		_ = v.Close() // nothing that was asked for depends on it
	}
	if w.state != nil {
		w.state.Close()
	}
}

// beginPIN begins a change and carries it out.
func (a *app) beginPIN(ctx context.Context, o pinOptions) error {
	w := &pinWork{app: a, pinOptions: o}
	defer w.close()
	if err := w.choose(ctx); err != nil {
		return err
	}
	c, err := w.plan()
	if err != nil {
		return err
	}
	if err := w.notUnderWay(); err != nil {
		return err
	}
	if err := w.readOld(ctx, w.visits[0]); err != nil {
		return err
	}
	if err := w.readNew(ctx); err != nil {
		return err
	}
	// Nothing is held while somebody types; from here on nobody else changes
	// anything in the folder.
	if w.state == nil {
		if w.state, err = a.state(&w.site); err != nil {
			return err
		}
	}
	if err := w.state.Lock(ctx, vault.Change, a.lockWait); err != nil {
		return err
	}
	if w.change, err = w.state.BeginPINChange(c, w.next); err != nil {
		return err
	}
	if err := w.change.Run(ctx, w, w.next); err != nil {
		return w.explain(err)
	}
	return w.report()
}

// choose finds the tokens, and closes their libraries again: each login has a
// process of its own.
func (w *pinWork) choose(ctx context.Context) error {
	names := w.tokens
	if len(names) == 0 {
		names = []string{""}
	}
	if w.reset && len(names) > 1 {
		return fault.New(fault.Usage, "pin reset is about one token at a time")
	}
	newSource, err := w.parseNew()
	if err != nil {
		return err
	}
	if err := w.hide(newSource); err != nil {
		return err
	}
	for _, name := range names {
		flags := w.tokenFlags
		flags.token = name
		v, err := w.visit(ctx, flags)
		if err != nil {
			return err
		}
		w.visits, w.site = append(w.visits, v), v.site
		if err := v.Device.Close(); err != nil {
			return err
		}
		if err := w.mayChange(v); err != nil {
			return err
		}
	}
	return nil
}

// mayChange looks at a token before anything is asked.
func (w *pinWork) mayChange(v *visit) error {
	if err := v.ready(); err != nil {
		return err
	}
	if v.token.Serial == "" {
		return fault.New(fault.Usage, "the token %s has no serial number, so that it could not be found again after a crash", oneLine(v.token.String()))
	}
	for _, other := range w.visits[:len(w.visits)-1] {
		if other.token.Serial == v.token.Serial {
			return fault.New(fault.Usage, "the token %s is named twice", oneLine(v.token.String()))
		}
	}
	role := w.role()
	return sks.MayLogIn(sks.Access{Role: role}, v.token.For(role))
}

// role is as whom the new PIN is set.
func (w *pinWork) role() sks.Role {
	if w.reset {
		return sks.RoleSO
	}
	return sks.RoleUser
}

func (w *pinWork) parseNew() (pin.Source, error) {
	if w.newSource == "" {
		return pin.Source{Kind: pin.KindPrompt}, nil
	}
	s, err := pin.ParseSource(w.newSource)
	return s, fault.Wrap(fault.Usage, err, "--new-pin-source")
}

// hide starts ssovault again without the variables that hold PINs.
func (w *pinWork) hide(more ...pin.Source) error {
	v := visit{app: w.app, flags: w.tokenFlags}
	return v.hideSources(more...)
}

// notUnderWay refuses a change beside another one before anything is asked.
func (w *pinWork) notUnderWay() error {
	if w.site.folder == nil {
		return nil
	}
	c, err := w.site.folder.PINChange()
	if err == nil && c != nil {
		err = fault.New(fault.Usage, "a change of the PIN of %s is under way", c.Members[0]).With("finish it first: 'ssovault hsm pin resume'")
	}
	return err
}

// plan says what is to be done, and refuses what could not be finished.
func (w *pinWork) plan() (vault.PINChange, error) {
	c := vault.PINChange{Began: w.now().UTC(), Reset: w.reset}
	for _, v := range w.visits {
		c.Members = append(c.Members, vault.PINMember{Library: v.device.library, Label: v.token.Label, Serial: v.token.Serial, Has: vault.PINOld})
	}
	s := w.site.sks
	stored := slices.ContainsFunc(c.Members, func(m vault.PINMember) bool { return m.Serial == s.Serial })
	if !stored || s.Role == sks.RoleCryptoUser || s.PIN.Attended() || w.elsewhere {
		return c, nil // no stored source is this user's, or it is none of our business
	}
	if err := w.writable(s.PIN); err != nil {
		return c, (&fault.Error{Op: fmt.Sprintf("the service gets this PIN from %s, which cannot be given the new one", s.PIN), Cause: fault.Usage, Err: plain(err)}).
			With("give that source the new PIN yourself, and say --source-updated-elsewhere; nothing was changed")
	}
	c.Source, c.Follows = s.PIN.String(), s.Serial
	return c, nil
}

// writable tells why a stored source cannot be written.
func (w *pinWork) writable(s pin.Source) error {
	if s.Kind != pin.KindFile {
		return errors.New("it is no file")
	}
	path := s.Arg
	if s == pin.Default {
		path = w.site.folder.PINFile()
	}
	if !filepath.IsAbs(path) {
		return errors.New("its path depends on the working directory")
	}
	if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("its folder: %w", err)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	case int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid():
		return errors.New("it is another user's")
	}
	return nil
}

// readOld reads what is needed to set the new PIN.
func (w *pinWork) readOld(ctx context.Context, v *visit) error {
	user, so, err := v.sources()
	if err != nil {
		return err
	}
	question, flag := v.question(w.role())
	if w.oldSource = user; w.reset {
		w.oldSource = so
	}
	if w.resumed && !w.reset && w.oldSource.Attended() {
		if s := w.change.OldSource(); s != (pin.Source{}) {
			w.oldSource = s
		}
	}
	if w.old, err = v.read(ctx, w.oldSource, question, flag); err != nil {
		return err
	}
	w.oldReady = true
	return nil
}

// readNew reads the new PIN, and refuses one that a token would refuse.
func (w *pinWork) readNew(ctx context.Context) error {
	source, err := w.parseNew()
	if err != nil {
		return err
	}
	if w.next, err = w.visits[0].readTwice(ctx, source, "new PIN", "--new-pin-source"); err != nil {
		return err
	}
	if !w.reset && w.next.Equal(w.old) {
		return fault.New(fault.Usage, "the new PIN is the old one").With("nothing was changed")
	}
	for _, v := range w.visits {
		if err := fits(v.token, w.next, "the new PIN"); err != nil {
			return err
		}
	}
	return nil
}

// explain adds how it goes on to an error after which something is left to do.
func (w *pinWork) explain(err error) error {
	c, readErr := w.state.PINChange()
	if readErr == nil && c == nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	switch fault.Of(err) {
	case fault.PINRefused, fault.PINLocked: // its hint says how it goes on
		w.warn("the change of the PIN is not finished")
		return err
	case fault.Interrupted:
		return (&fault.Error{Cause: fault.Interrupted, Err: err}).With("the change of the PIN is not finished: 'ssovault hsm pin resume' goes on with it")
	}
	w.warn("the change of the PIN is not finished: 'ssovault hsm pin resume' goes on with it")
	return err
}

// report prints what was done.
func (w *pinWork) report() error {
	r := pinReport{Tokens: []tokenName{}, Source: w.change.Source}
	for _, m := range w.change.Members {
		r.Tokens = append(r.Tokens, tokenName{m.Label, m.Serial})
		w.log.Info().Str("command", w.command).Str("token", m.Label).Str("serial", m.Serial).Msg("PIN changed")
	}
	if w.asJSON {
		return printJSON(w.out, r)
	}
	for _, t := range r.Tokens {
		fmt.Fprintf(w.out, "the token %s (serial %s) has the new PIN\n", oneLine(t.Label), oneLine(t.Serial))
	}
	if r.Source != "" {
		fmt.Fprintf(w.out, "and so has its stored source, %s\n", oneLine(r.Source))
	}
	return nil
}
