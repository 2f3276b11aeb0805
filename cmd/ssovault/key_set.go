package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
)

// setKey changes a key. What cannot be taken back a person confirms first, while
// the token is not held; a change that can is made in the same session. Cause
// Usage, with nothing changed, where it is not confirmed.
func (a *app) setKey(ctx context.Context, o keyFlags, want hsm.Attributes, yes bool) error {
	d := &desk{app: a, flags: o.tokenFlags, role: sks.RoleUser}
	defer d.end()
	var shown admin.Key
	var token string
	var oneWay, on, off hsm.Attributes
	err := d.with(ctx, func(v *visit) (err error) {
		if shown, on, off, err = v.changed(ctx, o, want); err != nil {
			return err
		}
		if oneWay = forGood(on, off); oneWay != 0 && !yes {
			token = oneLine(v.token.String())
			return nil
		}
		oneWay = 0
		return v.setAndPrint(ctx, o, shown, on, off)
	})
	if err != nil || oneWay == 0 {
		return err
	}
	typed := o.label
	if typed == "" {
		typed = o.id
	}
	what := fmt.Sprintf("The key %s in the token %s changes for good: %s", shown, token, lost(oneWay))
	if err := a.confirmName(ctx, false, what, typed); err != nil {
		return err
	}
	return d.with(ctx, func(v *visit) error {
		k, on, off, err := v.changed(ctx, o, want)
		if err == nil && (!slices.Equal(k.ID, shown.ID) || forGood(on, off) != oneWay) {
			err = fault.New(fault.KeyAmbiguous, "the key %s is another one now", k).With("nothing was changed; look again: 'ssovault key show'")
		}
		if err != nil {
			return err
		}
		return v.setAndPrint(ctx, o, k, on, off)
	})
}

// changed finds the key, and what is to be set and cleared.
func (v *visit) changed(ctx context.Context, o keyFlags, want hsm.Attributes) (k admin.Key, on, off hsm.Attributes, err error) {
	if k, err = v.key(ctx, o, true); err == nil {
		on, off, err = changes(k, want)
	}
	if err == nil && on&takesApart != 0 {
		err = v.noTwin(ctx, on, k.KCV)
	}
	return k, on, off, err
}

func (v *visit) setAndPrint(ctx context.Context, o keyFlags, k admin.Key, on, off hsm.Attributes) error {
	kcv := k.KCV // which a key that may encrypt no more does not calculate
	k, err := v.Set(ctx, k, on, off)
	if err != nil {
		return err
	}
	if k.KCV == "" {
		k.KCV = kcv
	}
	if k.KCV == "" { // it may encrypt now
		if k, err = v.key(ctx, o, true); err != nil {
			return err
		}
	}
	v.log.Info().Str("command", v.command).Str("token", v.token.Label).Str("serial", v.token.Serial).
		Str("label", k.Label).Str("attributes", k.Attributes.String()).Msg("key changed")
	return v.print(k, o.asJSON)
}

// forGood are the changes that no token takes back: an extractable key that is
// not, or a sensitive one that was not.
func forGood(on, off hsm.Attributes) hsm.Attributes {
	return on&hsm.Sensitive | off&(hsm.Extractable|hsm.Exportable)
}

// lost says what those changes take away.
func lost(oneWay hsm.Attributes) string {
	var all []string
	if oneWay.Has(hsm.Extractable) {
		all = append(all, "it loses "+hsm.Extractable.Names()+", which no key gets back: it can never again be exported or replicated, and goes with this token")
	}
	if oneWay.Has(hsm.Exportable) {
		all = append(all, "it loses "+hsm.Exportable.Names()+", which no key gets back: it can never again be exported")
	}
	if oneWay.Has(hsm.Sensitive) {
		all = append(all, "it gets "+hsm.Sensitive.Names()+", which no key loses: its value can never again be read")
	}
	return strings.Join(all, "; ")
}
