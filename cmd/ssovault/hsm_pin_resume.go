package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

func (a *app) hsmPINResumeCommand() *cobra.Command {
	var o pinOptions
	c := &cobra.Command{
		Use:   "resume",
		Short: "Finish a change of PIN that was cut off",
		Long: `Resume goes on with the change that the journal names. Each token that may have either PIN
is tried with the new one, then with the old one; a PIN that it refused is not tried again.
The old PIN comes from --pin-source, else from the stored source of sks.properties, else it
is asked for, and only where a token still has it.

--reset lets the security officer set the new PIN where it is not set yet; --leave-out
leaves a token as it is, one that is gone for good, say; --try-pin tries again what was
refused.`,
		Example: `  ssovault hsm pin resume
  ssovault hsm pin resume --pin-source file:/run/secrets/old.pin
  ssovault hsm pin resume --leave-out hsm2`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.resumePIN(cmd.Context(), o) },
	}
	c.Flags().StringVar(&o.newSource, "new-pin-source", "", "take the new PIN from this `source`, should its file be lost")
	o.registerSO(c)
	c.Flags().BoolVar(&o.reset, "reset", false, "the security officer sets the new PIN where it is not set yet")
	c.Flags().StringArrayVar(&o.leaveOut, "leave-out", nil, "leave this `token` as it is: label or serial number")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// resumePIN finishes a change, as far as it goes.
func (a *app) resumePIN(ctx context.Context, o pinOptions) error {
	w := &pinWork{app: a, pinOptions: o, resumed: true}
	defer w.close()
	newSource, err := w.parseNew()
	if err != nil {
		return err
	}
	if err := w.hide(newSource); err != nil {
		return err
	}
	if w.site, err = a.site(); err != nil {
		return err
	}
	if w.state, err = a.state(&w.site); err != nil {
		return err
	}
	for {
		done, err := w.goOn(ctx)
		if !errors.Is(err, vault.ErrPINNeeded) {
			if err != nil || done {
				return err
			}
			return w.report()
		}
		w.state.Close() // nothing is held while somebody types
		if err := w.readOld(ctx, &visit{app: a, site: w.site, flags: o.tokenFlags, token: admin.Token{Token: sks.Token{Label: w.change.Next().Label}}}); err != nil {
			return err
		}
		if !w.reset && w.old.Equal(w.next) {
			return fault.New(fault.Usage, "what was given as the old PIN, from %s, is the new one", w.oldSource).
				With("no login was tried with it; '--pin-source SOURCE' says where the PIN is that the token has")
		}
	}
}

// goOn goes on once, under the lock. done: there was nothing to do, and it was
// said.
func (w *pinWork) goOn(ctx context.Context) (done bool, err error) {
	if err := w.state.Lock(ctx, vault.Change, w.lockWait); err != nil {
		return false, err
	}
	if w.change, err = w.state.PINChange(); err != nil {
		return false, err
	}
	if w.change == nil {
		return true, w.nothing("no change of a PIN is under way in " + oneLine(w.state.Base))
	}
	for _, name := range w.leaveOut {
		kept, err := w.change.LeaveOut(name)
		if err != nil {
			return false, err
		}
		if len(kept) > 0 {
			w.warn("what PIN the token " + name + " may have is kept in " + strings.Join(kept, " and "))
		}
	}
	w.leaveOut = nil
	if len(w.change.Members) == 0 {
		return true, w.nothing("no token is left in the change; it has ended")
	}
	if w.reset {
		w.change.ByOfficer()
	}
	w.reset = w.change.Reset
	if w.tryPIN && !w.oldReady {
		w.change.TryAgain()
	}
	if err := w.newPIN(ctx); err != nil {
		return false, err
	}
	if err := w.change.Run(ctx, w, w.next); err != nil {
		if errors.Is(err, vault.ErrPINNeeded) {
			return false, vault.ErrPINNeeded
		}
		return false, w.explain(err)
	}
	return false, nil
}

// newPIN reads the new PIN from its file. When that is gone it is asked for,
// unless nothing but the end is left.
func (w *pinWork) newPIN(ctx context.Context) (err error) {
	if w.next.Len() > 0 {
		return nil
	}
	w.next, err = w.change.NewPIN()
	switch gone := errors.Is(err, fs.ErrNotExist); {
	case !gone:
		return err
	case w.change.Settled():
		return nil
	case w.newSource == "":
		return fault.New(fault.PINUnavailable, "the file of the new PIN is gone").With("say where the new PIN comes from: --new-pin-source SOURCE (prompt asks)")
	}
	source, err := w.parseNew()
	if err != nil {
		return err
	}
	v := &visit{app: w.app, site: w.site}
	if w.next, err = v.readTwice(ctx, source, "new PIN", "--new-pin-source"); err != nil {
		return err
	}
	return w.change.Again(w.next)
}

// nothing says why nothing is left to do.
func (w *pinWork) nothing(why string) error {
	if err := w.state.SweepPINChange(); err != nil {
		return err
	}
	if w.asJSON {
		return printJSON(w.out, pinReport{Tokens: []tokenName{}, Nothing: true})
	}
	_, err := fmt.Fprintln(w.out, why)
	return err
}
