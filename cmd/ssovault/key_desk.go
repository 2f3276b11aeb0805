package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// desk is a token at which people work for longer than a session should last. It
// asks for the PIN once, and logs in for each thing that is done.
type desk struct {
	*app
	flags  tokenFlags
	role   sks.Role
	source pin.Source
	pin    secret.Value // after the first login
	user   *desk        // who sees the user's keys; see beside
}

// end forgets the PINs.
func (d *desk) end() {
	d.pin.Wipe()
	if d.user != nil {
		d.user.end()
	}
}

// with logs in and does something.
func (d *desk) with(ctx context.Context, do func(*visit) error) error {
	v, err := d.visit(ctx, d.flags)
	if err != nil {
		return err
	}
	defer v.Close()
	if d.pin.Len() == 0 {
		source, value, err := v.pinFor(ctx, d.role)
		if err != nil {
			return err
		}
		d.source, d.pin = source, value
	}
	if err := v.loginWith(ctx, d.role, d.source, d.pin.Clone(), false); err != nil {
		return err
	}
	return do(v)
}

// absent refuses a label that a secret key has already.
func (v *visit) absent(ctx context.Context, label string) error {
	there, err := v.secretKeys(ctx, label)
	if err != nil || len(there) == 0 {
		return err
	}
	r := reportOf(there[0])
	return fault.New(fault.Usage, "already present in the token %s: %s, %s %s bits, KCV %s", oneLine(v.token.String()), there[0], r.Type, r.size(), r.check()).
		With("nothing was made; take another label, or delete that key first: 'ssovault key delete'")
}

func (v *visit) secretKeys(ctx context.Context, label string) ([]admin.Key, error) {
	there, err := v.Keys(ctx, label, true)
	return slices.DeleteFunc(there, func(k admin.Key) bool { return k.Class != admin.SecretKey }), err
}

// prepare makes sure, before people sit down, that the token will take such a
// key: it tries with one that nobody keeps. It tells which token that is. want is
// the check value that the key will have, or nil.
func (d *desk) prepare(ctx context.Context, k admin.NewKey, want *hsm.KCV, rehearsal bool) (t admin.Token, err error) {
	components, key, err := hsm.Generate(k.Type, k.Bits, hsm.MinComponents)
	if err != nil {
		return t, err
	}
	hsm.WipeAll(components)
	defer key.Wipe()
	kcv, err := key.KCV()
	if err != nil {
		return t, err
	}
	err = d.with(ctx, func(v *visit) error {
		t = v.token
		if !rehearsal {
			if err := v.absent(ctx, k.Label); err != nil {
				return err
			}
		}
		_, err := v.Place(ctx, k, key.Value, kcv, true)
		if err != nil && k.Attributes.Has(hsm.Trusted) {
			plain := k
			plain.Attributes &^= hsm.Trusted
			_, plainErr := v.Place(ctx, plain, key.Value, kcv, true)
			err = v.noTrust(err, plainErr)
		}
		return err
	})
	if err == nil && k.Attributes.Has(hsm.Trusted) && !rehearsal {
		err = d.beside(ctx, t, k, want)
	}
	return t, err
}

// place stores the key of components.
func (d *desk) place(ctx context.Context, k admin.NewKey, key hsm.Key, kcv hsm.KCV, rehearsal bool) (made admin.Key, err error) {
	if rehearsal {
		err = d.with(ctx, func(v *visit) (err error) {
			made, err = v.Place(ctx, k, key.Value, kcv, true)
			return err
		})
		return made, err
	}
	if k.Attributes.Has(hsm.Trusted) {
		if err := d.noUnwrapper(ctx, k, kcv); err != nil {
			return made, err
		}
	}
	return d.store(ctx, &k, func(v *visit) (admin.Key, error) {
		if err := v.absent(ctx, k.Label); err != nil { // somebody may have made it since
			return admin.Key{}, err
		}
		if err := v.noTwin(ctx, k.Attributes, kcv.String()); err != nil {
			return admin.Key{}, err
		}
		return v.Place(ctx, k, key.Value, kcv, false)
	})
}

// takesApart are the attributes by which a key takes apart what is wrapped under
// another one of its value, or can be given what it needs for that.
const takesApart = hsm.Unwrap | hsm.Decrypt | hsm.Modifiable

// twinAdvice says what such a pair is for.
const twinAdvice = "nothing was changed; a wrapping key is trusted in the token that keys leave, and unwraps (U) in the one where they arrive"

// noTwin refuses a key that could take apart what leaves under a trusted wrapper
// of the same value in the same token: with both, whoever has the user PIN wraps
// a key and unwraps it again as one that can be read. A key whose check value
// nobody knows ("") may be any wrapper's twin. A wrapper of which the token tells
// none is only warned of, or nothing could come into such a token any more.
func (v *visit) noTwin(ctx context.Context, attributes hsm.Attributes, kcv string) error {
	if attributes&takesApart == 0 {
		return nil
	}
	all, err := v.secretKeys(ctx, "")
	if err != nil {
		return err
	}
	for _, one := range all {
		switch {
		case !one.Attributes.Has(hsm.Trusted):
		case kcv == "":
			return fault.New(fault.Usage, "the token %s has a trusted wrapper %s, and does not tell the KCV of the key, which could take apart what is wrapped if it has the same value", oneLine(v.token.String()), one).
				With(twinAdvice)
		case one.KCV == kcv:
			return fault.New(fault.Usage, "the token %s has a trusted wrapper of the same value, %s, and the key could take apart what is wrapped under it", oneLine(v.token.String()), one).
				With(twinAdvice)
		case one.KCV == "":
			v.warn(fmt.Sprintf("the token %s tells no KCV of the trusted wrapper %s: whether this key has the same value, and could take apart what is wrapped under it, cannot be seen", oneLine(v.token.String()), one))
		}
	}
	return nil
}

// store has put make a key or bring one in; put may still name it, and gives the
// key that is there already instead. When the answer is lost on the way, store
// logs in again and takes away what may have been made; where that cannot be done
// either, the error is a *perhapsThere. Where nothing that stays was begun yet,
// there is nothing to take away.
func (d *desk) store(ctx context.Context, k *admin.NewKey, put func(*visit) (admin.Key, error)) (made admin.Key, err error) {
	begun, was := false, false
	var before []admin.Key
	err = d.with(ctx, func(v *visit) (err error) {
		if before, err = v.unnamed(ctx, false); err != nil {
			return err
		}
		if was, err = v.holds(ctx, *k); err != nil {
			return err
		}
		made, err = put(v)
		begun = v.Begun()
		if err == nil && slices.Equal(made.ID, k.ID) && !was {
			d.log.Info().Str("command", d.command).Str("token", v.token.Label).Str("serial", v.token.Serial).
				Str("label", made.Label).Str("key_id", hex.EncodeToString(made.ID)).Msg("key stored")
		}
		return err
	})
	var part *admin.PartLeft
	switch cause := fault.Of(err); {
	case errors.As(err, &part):
	case err == nil, !begun, cause == fault.Usage, cause == fault.Tampered, cause == fault.WrongKey:
		return made, err // nothing was made, or it was taken back at once
	}
	undoErr := d.takeBack(context.WithoutCancel(ctx), *k, was, before)
	if part != nil && (undoErr != nil || d.role == sks.RoleUser) {
		err = part.Err // what may be left was looked for since
	}
	var stays *unprovenParts
	switch {
	case errors.As(undoErr, &stays):
		err = fmt.Errorf("%w; a part of it without a name may be left: %w", err, stays)
	case undoErr != nil:
		err = &perhapsThere{err: err, id: k.ID, problem: undoErr}
	case part != nil && d.role == sks.RoleUser:
		err = fmt.Errorf("%w; nothing of it is left in the token: that was looked at after another login", err)
	}
	return made, err
}

// holds tells whether the token has a key of that label and id, as it may where
// the id is not drawn anew: that one is not ours to take back.
func (v *visit) holds(ctx context.Context, k admin.NewKey) (bool, error) {
	if k.Label == "" {
		return false, nil // put names it, and its id is a new one
	}
	there, err := v.Keys(ctx, k.Label, false)
	return slices.ContainsFunc(there, func(one admin.Key) bool { return slices.Equal(one.ID, k.ID) }), err
}

// takeBack deletes a key by its label and id, if it is there and was not before,
// and half a key that was not there before.
func (d *desk) takeBack(ctx context.Context, k admin.NewKey, was bool, before []admin.Key) error {
	return d.with(ctx, func(v *visit) error {
		if was {
			return v.takeHalfBack(ctx, before)
		}
		there, err := v.Keys(ctx, k.Label, false)
		for _, one := range there {
			if err == nil && slices.Equal(one.ID, k.ID) {
				err = v.Delete(ctx, one)
			}
		}
		if err == nil {
			err = v.takeHalfBack(ctx, before)
		}
		return err
	})
}

// perhapsThere says that a key may have been stored, and could not be looked
// for.
type perhapsThere struct {
	err, problem error
	id           []byte
}

func (p *perhapsThere) Error() string {
	return fmt.Sprintf("%v; the key may have been stored (id %x), or %s; what was made could not be looked for and removed: %v", p.err, p.id, partAdvice, p.problem)
}

func (p *perhapsThere) Unwrap() error { return p.err }

// roleOf reads --as.
func roleOf(as string) (sks.Role, error) {
	switch strings.ToLower(as) {
	case "user":
		return sks.RoleUser, nil
	case "so":
		return sks.RoleSO, nil
	}
	return "", fault.New(fault.Usage, "--as %q: it is user or so", as)
}
