package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// maxTokenLabel is the length of a token's label (CK_TOKEN_INFO).
const maxTokenLabel = 32

// tokenInitOptions are the flags of hsm init.
type tokenInitOptions struct {
	tokenFlags
	slot, label string
	newSO       string
	yes, asJSON bool
}

func (a *app) hsmInitCommand() *cobra.Command {
	var o tokenInitOptions
	c := &cobra.Command{
		Use:   "init --slot N --label LABEL",
		Short: "Initialise a token and set its user PIN",
		Long: `Init makes a token of a slot: it gets the label and the security officer's PIN, then the
user PIN. Both PINs are typed twice, or come from --so-pin-source and --pin-source. The
slot may have another number afterwards; the new token is shown.

A token that is initialised already loses every key in it. Its label has to be typed, or
--yes said, and the security officer's PIN is the one that it has; a wrong one is counted,
and ten destroy what a Luna's partition holds.

A token that wants the security officer's first PIN changed before anything else
(opencryptoki) takes the new one from --new-so-pin-source, or asks.`,
		Example: `  ssovault hsm init --slot 0 --label hsm1
  ssovault hsm init --slot 1 --label hsm2 --so-pin-source file:so.pin --pin-source file:user.pin`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := a.initialise(cmd.Context(), o)
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(a.out, slotReport{Token: t})
			}
			_, err = fmt.Fprintf(a.out, "initialised: %s\n", oneLine(t.String()))
			return err
		},
	}
	o.registerLibrary(c)
	o.registerSO(c)
	f := c.Flags()
	f.StringVar(&o.slot, "slot", "", "`number` of the slot; 'ssovault hsm slots' shows them")
	f.StringVar(&o.label, "label", "", "the token's new `label`, at most 32 ASCII characters")
	f.StringVar(&o.newSO, "new-so-pin-source", "", "the security officer's new PIN, where the token wants the first one changed, from this `source`")
	f.BoolVar(&o.yes, "yes", false, "do not ask, also when the token is initialised already")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// checkTokenLabel allows what CK_TOKEN_INFO holds and everything shows alike.
func checkTokenLabel(s string) error {
	if s == "" || len(s) > maxTokenLabel || s[0] == ' ' || s[len(s)-1] == ' ' {
		return fault.New(fault.Usage, "--label %q: a token's label has 1 to %d characters, and no blank at its ends", s, maxTokenLabel)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return fault.New(fault.Usage, "--label %q: a token's label is printable ASCII", s)
		}
	}
	return nil
}

func (a *app) initialise(ctx context.Context, o tokenInitOptions) (admin.Token, error) {
	if _, err := strconv.ParseUint(o.slot, 10, 32); err != nil {
		return admin.Token{}, fault.New(fault.Usage, "hsm init needs --slot with the number of a slot").With("'ssovault hsm slots' shows them")
	}
	if err := checkTokenLabel(o.label); err != nil {
		return admin.Token{}, err
	}
	v, err := a.visitSlot(ctx, o)
	if err != nil {
		return admin.Token{}, err
	}
	defer v.Close()
	if v.token.Initialised {
		what := fmt.Sprintf("The token %s is initialised already, and every key in it will be lost", oneLine(v.token.String()))
		if err := a.confirmName(ctx, o.yes, what, v.token.Label); err != nil {
			return admin.Token{}, err
		}
	}
	if v.token.Model == "IBM SoftTok" && v.token.Initialised && !v.token.SOPINToChange {
		return admin.Token{}, fault.New(fault.NotPermitted, "opencryptoki's soft token can be initialised once: afterwards, version 3.8 keeps its master key under another PIN than it asks for, and nobody can log in any more").
			With("remove its files as the manual of opencryptoki says, then initialise it")
	}
	for _, t := range v.tokens {
		if t.Initialised && t.Label == o.label && t.Slot != v.token.Slot {
			a.warn(fmt.Sprintf("another token has that label too: %s; name each by its serial number", oneLine(t.String())))
		}
	}
	p, err := v.initPINs(ctx, o)
	if err != nil {
		return admin.Token{}, err
	}
	was := v.token
	t, err := v.initialiseOnce(ctx, o.label, p)
	if err == nil {
		v.forgetRefusals(was, t)
		a.log.Info().Str("command", a.command).Str("token", t.Label).Str("serial", t.Serial).Str("was", was.Label).Msg("token initialised")
		t = v.renumbered(ctx, t)
	}
	return t, err
}

// renumbered ends the visit, and finds the token as other processes see it: its
// slot may have another number there (SoftHSM).
func (v *visit) renumbered(ctx context.Context, t admin.Token) admin.Token {
	_ = v.Close() // what was asked of it is done
	d, err := v.openLibrary(ctx, v.device.library, v.sks.Timeouts)
	if err == nil {
		defer d.Close()
		for _, one := range d.tokens {
			if one.Problem == nil && one.Initialised && one.Serial == t.Serial {
				return one
			}
		}
	}
	v.warn(fmt.Sprintf("the slot may have another number than %d now: 'ssovault hsm slots' shows it", t.Slot))
	return t
}

// forgetRefusals forgets what a token refused before it had these PINs.
func (v *visit) forgetRefusals(was, is admin.Token) {
	if !was.Initialised {
		return
	}
	if f, err := v.state(&v.site); err == nil {
		f.ForgetRefusals(was.Serial)
		f.ForgetRefusals(is.Serial)
	}
}

// initialiseOnce initialises the token. The security officer's PIN of a token that
// has one is tried under the rules of a login.
func (v *visit) initialiseOnce(ctx context.Context, label string, p admin.InitPINs) (t admin.Token, err error) {
	_, so, err := v.sources()
	if err != nil {
		return t, err
	}
	if !v.token.Initialised || so.Attended() {
		if v.token.SOTries == sks.TriesLocked {
			return t, sks.Locked(sks.RoleSO, v.token.Token)
		}
		t, err = v.Initialise(ctx, v.token, label, p)
		return t, sks.Typed(err)
	}
	defer p.Wipe()
	err = v.once(ctx, sks.RoleSO, so, func(access sks.Access) (sks.Token, error) {
		access.Role = sks.RoleSO
		if err := sks.MayLogIn(access, v.token.For(sks.RoleSO)); err != nil {
			return v.token.Token, err
		}
		var err error
		t, err = v.Initialise(ctx, v.token, label, p)
		return t.Token, err
	})
	return t, err
}

// visitSlot goes to a slot, whatever is in it.
func (a *app) visitSlot(ctx context.Context, o tokenInitOptions) (*visit, error) {
	p, err := a.site()
	if err != nil {
		return nil, err
	}
	v := &visit{app: a, site: p, flags: o.tokenFlags}
	library, err := o.libraryOf(p)
	if err != nil {
		return nil, err
	}
	newSO, err := o.newSOSource()
	if err == nil {
		err = v.hideSources(newSO)
	}
	if err != nil {
		return nil, err
	}
	if v.device, err = a.openLibrary(ctx, library, p.sks.Timeouts); err != nil {
		return nil, err
	}
	err = fault.New(fault.Usage, "the library %s has no slot %s with a token", library, o.slot).With("'ssovault hsm slots' shows them")
	for _, t := range v.tokens {
		if strconv.FormatUint(uint64(t.Slot), 10) == o.slot {
			v.token, err = t, t.Problem
		}
	}
	if err != nil {
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

func (o tokenInitOptions) newSOSource() (pin.Source, error) {
	if o.newSO == "" {
		return pin.Source{Kind: pin.KindPrompt}, nil
	}
	s, err := pin.ParseSource(o.newSO)
	return s, fault.Wrap(fault.Usage, err, "--new-so-pin-source")
}

// initPINs reads the PINs of the new token, and refuses those that it would
// refuse later, when the token is half made.
func (v *visit) initPINs(ctx context.Context, o tokenInitOptions) (p admin.InitPINs, err error) {
	defer func() {
		if err != nil {
			p.Wipe()
			p = admin.InitPINs{}
		}
	}()
	user, so, err := v.sources()
	if err != nil {
		return p, err
	}
	newSO, err := o.newSOSource()
	if err != nil {
		return p, err
	}
	read := v.readTwice
	what := "security officer's PIN for the new token"
	if v.token.Initialised || v.token.SOPINToChange {
		read, what = v.read, "security officer's present PIN" // which the device knows
	}
	if p.SO, err = read(ctx, so, what, "--so-pin-source"); err != nil {
		return p, err
	}
	if v.token.SOPINToChange || o.newSO != "" {
		if p.NewSO, err = v.readTwice(ctx, newSO, "security officer's new PIN", "--new-so-pin-source"); err != nil {
			return p, err
		}
		if p.NewSO.Equal(p.SO) {
			return p, fault.New(fault.Usage, "the security officer's new PIN is the first one again").With("nothing was changed")
		}
	}
	if p.User, err = v.readTwice(ctx, user, "user PIN for the new token", "--pin-source"); err != nil {
		return p, err
	}
	for whose, value := range map[string]secret.Value{"the security officer's PIN": p.SO, "the security officer's new PIN": p.NewSO, "the user PIN": p.User} {
		if value.Len() == 0 && whose == "the security officer's new PIN" {
			continue
		}
		if err := fits(v.token, value, whose); err != nil {
			return p, err
		}
	}
	return p, nil
}
