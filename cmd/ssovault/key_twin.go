package main

import (
	"context"
	"fmt"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
)

// unseen says what nobody looked at, and why.
const unseen = "whether the token has a private key of the same label, or one of the same value, which could take apart what is wrapped under this one, was not looked at: "

// beside lets somebody log in who sees the user's keys, which the security
// officer does not: with the PIN of --pin-source or the URI, else with one that
// is asked for, which may be left out. Without one there is a warning. A key of the
// user's that has the label is refused at once (cause Usage).
func (d *desk) beside(ctx context.Context, t admin.Token, k admin.NewKey, want *hsm.KCV) error {
	if !t.UserPINSet {
		return nil // then nobody has brought a private key in
	}
	v := &visit{app: d.app, flags: d.flags, token: t}
	source, _, err := v.sources()
	if err != nil {
		return err
	}
	user := &desk{app: d.app, flags: d.flags, role: sks.RoleUser}
	switch named := d.app.pinSource != "" || !source.Attended(); {
	case named:
	case !d.attended():
		d.warn(unseen + "--pin-source lets ssovault look as the user")
		return nil
	case t.Tries == sks.TriesLocked:
		d.warn(unseen + "the user PIN is locked")
		return nil
	default:
		question, _ := v.question(sks.RoleUser)
		value, err := promptOnTerminal(ctx, "user "+question+", to look for a key of the same label or value there (Enter leaves that out)")
		if err != nil {
			return err
		}
		if value.Len() == 0 {
			d.warn(unseen + "no user PIN was given")
			return nil
		}
		user.source, user.pin = pin.Source{Kind: pin.KindPrompt}, value
	}
	d.user = user
	return user.with(ctx, func(v *visit) error { return v.unlabelled(ctx, k, want) })
}

// unlabelled refuses a label that a key has which is not the one that is to be
// stored.
func (v *visit) unlabelled(ctx context.Context, k admin.NewKey, want *hsm.KCV) error {
	there, err := v.secretKeys(ctx, k.Label)
	if err != nil || len(there) == 0 {
		return err
	}
	return notMeant(v.token, k, there, want)
}

// noUnwrapper refuses a trusted wrapper whose value a key of the user's has that
// could take apart what is wrapped, or whose label.
func (d *desk) noUnwrapper(ctx context.Context, k admin.NewKey, kcv hsm.KCV) error {
	if d.user == nil {
		return nil // which was said
	}
	return d.user.with(ctx, func(v *visit) error {
		if err := v.unlabelled(ctx, k, &kcv); err != nil { // somebody may have made it since
			return err
		}
		all, err := v.secretKeys(ctx, "")
		for _, one := range all {
			switch {
			case one.Attributes&takesApart == 0 || one.Attributes.Has(hsm.Trusted):
			case one.KCV == "":
				v.warn(fmt.Sprintf("the token %s tells no KCV of the key %s: whether it has the same value, and could take apart what is wrapped under this one, cannot be seen", oneLine(v.token.String()), one))
			case one.KCV == kcv.String():
				return fault.New(fault.Usage, "the token %s has a key of the same value, %s, which could take apart what is wrapped under a trusted one", oneLine(v.token.String()), one).
					With(twinAdvice)
			}
		}
		return err
	})
}

// noTrust says what a token did not take of a trusted wrapper, where it took or
// refused the same key without the trust.
func (v *visit) noTrust(err, withoutTrust error) error {
	code, _ := cryptoki.Code(err)
	what := "does not let its security officer mark a key as trusted (CKA_TRUSTED)"
	switch second, _ := cryptoki.Code(withoutTrust); {
	case !cryptoki.CannotKeepObject(code) || v.Ailing():
		return err
	case withoutTrust == nil:
	case cryptoki.CannotKeepObject(second):
		what = "does not let its security officer make a secret key"
	default:
		return err
	}
	return fault.New(fault.Usage, "the token %s %s: %s", oneLine(v.token.String()), what, cryptoki.Name(code)).
		With("nothing was made; without a trusted wrapper no key leaves that only trusted keys may wrap; the device's own tools may know another way")
}
