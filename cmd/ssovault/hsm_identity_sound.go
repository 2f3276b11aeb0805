package main

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// What the private key of an identity has as 'hsm identity create' makes it, and
// what it must not have. By decrypting or signing it would show the keys that it
// unwraps.
const (
	ownPrivate = hsm.Private | hsm.Sensitive | hsm.Unwrap
	ownBarred  = hsm.Modifiable | hsm.Extractable | hsm.Decrypt | hsm.Sign
)

// flaws says in what a private key is not that of an identity, which was made in
// the token, never left it, and only unwraps; and what the token does not tell of
// it.
func (i identity) flaws(private admin.Key) (all []string, untold string) {
	all = append(exposed(private, ownPrivate), unlike(private.Attributes&ownBarred, ownPrivate&^private.Attributes&private.Known)...)
	untold = ((ownPrivate | ownBarred | hsm.Past) &^ private.Known).Names()
	switch {
	case len(private.Modulus) == 0:
		untold = strings.TrimPrefix(untold+", its modulus", ", ")
	case new(big.Int).SetBytes(private.Modulus).Cmp(i.public.N) != 0:
		all = append(all, "it belongs to another pair than the public key")
	}
	return all, untold
}

// outsideFlaws says what the public key alone shows of that, without a login.
func (i identity) outsideFlaws() (all []string) {
	if broughtIn(i.Key) {
		all = append(all, "its public key was not made there but brought in, so somebody may have the private one")
	}
	if i.Attributes.Has(hsm.Modifiable) {
		all = append(all, "its public key has "+hsm.Modifiable.Names())
	}
	return all
}

// unlike says what a key has and should not have, and what it lacks.
func unlike(more, less hsm.Attributes) (all []string) {
	if more != 0 {
		all = append(all, "it has "+more.Names())
	}
	if less != 0 {
		all = append(all, "it lacks "+less.Names())
	}
	return all
}

// seen refuses an identity whose public key shows that 'hsm identity create' did
// not make it. Cause Usage.
func (v *visit) seen(i identity) error {
	if flaws := i.outsideFlaws(); len(flaws) > 0 {
		return v.unsound(i, flaws)
	}
	return nil
}

// sound gives the private key of the token's identity, after a login, and what the
// token does not tell of it. Causes Usage where 'hsm identity create' did not make
// the pair, KeyMissing, KeyAmbiguous.
func (v *visit) sound(ctx context.Context, i identity) (private admin.Key, untold string, err error) {
	if private, err = v.privateOf(ctx, i); err != nil {
		return private, "", err
	}
	flaws, untold := i.flaws(private)
	if len(flaws) > 0 {
		flaws[0] = "of its private key: " + flaws[0]
	}
	if flaws = append(flaws, i.outsideFlaws()...); len(flaws) > 0 {
		err = v.unsound(i, flaws)
	}
	return private, untold, err
}

func (v *visit) unsound(i identity, flaws []string) error {
	remove := fmt.Sprintf("'ssovault key delete %q --id %x --class private --token %s'", i.Label, i.ID, v.token.Serial)
	return fault.New(fault.Usage, "the identity of the token %s is not one that 'ssovault hsm identity create' made there: %s", oneLine(v.token.String()), strings.Join(flaws, "; ")).
		With("nothing was made or changed; whoever has the private key outside reads whatever is wrapped for this token. Delete both keys (" + remove + ", then --class public), make the identity anew, and have it trusted anew; where a token trusts this one, delete " + fmt.Sprintf("%q", peerLabel+v.token.Serial) + " there")
}

// vouched is sound, with a warning of what the token does not tell.
func (v *visit) vouched(ctx context.Context, i identity) error {
	_, untold, err := v.sound(ctx, i)
	if err == nil && untold != "" {
		v.warn(fmt.Sprintf("the token %s does not tell %s of the private key of its identity: whether it was made there, never left and only unwraps cannot be seen", oneLine(v.token.String()), untold))
	}
	return err
}

// privateOf finds the private key of the token's identity.
func (v *visit) privateOf(ctx context.Context, i identity) (admin.Key, error) {
	all, err := v.Keys(ctx, i.Label, false)
	if err != nil {
		return admin.Key{}, err
	}
	all = slices.DeleteFunc(all, func(k admin.Key) bool { return k.Class != admin.PrivateKey || !slices.Equal(k.ID, i.ID) })
	switch len(all) {
	case 0:
		return admin.Key{}, fault.New(fault.KeyMissing, "the token %s has no private key of its identity", oneLine(v.token.String())).
			With("delete the public key, make the identity anew, and have it trusted again: 'ssovault hsm identity'")
	case 1:
		return all[0], nil
	}
	return admin.Key{}, fault.New(fault.KeyAmbiguous, "the token %s has %d private keys of its identity", oneLine(v.token.String()), len(all)).
		With("delete them and the public key with the device's own tool, make the identity anew, and have it trusted again: 'ssovault hsm identity'")
}
