package main

import (
	"context"
	"fmt"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// already tells whether the key that is to be entered is in the token, before
// anybody types a component. Another key of its label is refused (cause Usage),
// and so is one that is not trusted where a trusted wrapper is wanted.
// Without a KCV that is wanted people compare the one of the key that is there.
func (d *desk) already(ctx context.Context, k admin.NewKey, want *hsm.KCV) (t admin.Token, is admin.Key, present bool, err error) {
	var there []admin.Key
	err = d.with(ctx, func(v *visit) (err error) {
		t = v.token
		there, err = v.secretKeys(ctx, k.Label)
		return err
	})
	if err != nil || len(there) == 0 {
		return t, is, false, err
	}
	is = there[0]
	token := oneLine(t.String())
	if err := notMeant(t, k, there, want); err != nil {
		return t, is, false, err
	}
	switch {
	case is.KCV == "":
		d.warn(fmt.Sprintf("the token %s tells no KCV of the key %s: whether it is the one of these components cannot be seen", token, is))
	case want == nil:
		same, err := d.sameOnSheets(ctx, fmt.Sprintf("The token %s has a key %s already, KCV %s", token, is, is.KCV), is.KCV)
		if err != nil {
			return t, is, false, err
		}
		if !same {
			return t, is, false, anotherKey(t, is)
		}
	}
	for _, other := range differences(there, k) {
		d.warn("the key that is there is not what was asked for: " + other)
	}
	return t, is, true, nil
}

// notMeant refuses keys of a label, where it is seen without asking that they are
// not the one that is to be stored.
func notMeant(t admin.Token, k admin.NewKey, there []admin.Key, want *hsm.KCV) error {
	token, is := oneLine(t.String()), there[0]
	known := want != nil && is.KCV != ""
	switch same := known && is.KCV == want.String(); {
	case len(there) > 1:
		return fault.New(fault.Usage, "the token %s has %d keys %q", token, len(there), k.Label).
			With("nothing was stored; take another label, or delete those that are not meant: 'ssovault key delete --id'")
	case is.Type != "" && is.Type != string(k.Type) || is.Bits != 0 && int(is.Bits) != k.Bits:
		r := reportOf(is)
		return fault.New(fault.Usage, "the token %s has another key %s: %s %s bits, KCV %s, not %s %d bits", token, is, r.Type, r.size(), r.check(), k.Type, k.Bits).
			With("nothing was stored; if that key is meant, say its --type and --bits; else take another label, or delete that key first: 'ssovault key delete'")
	case known && !same:
		return fmt.Errorf("%w, not %s", anotherKey(t, is), want)
	case k.Attributes.Has(hsm.Trusted) && !is.Attributes.Has(hsm.Trusted):
		what := "the token %s has a key %s, KCV %s, that is not trusted: it lacks %s"
		if same {
			what = "already present in the token %s is a key of the same value, %s, KCV %s, that is not trusted: it lacks %s"
		}
		return fault.New(fault.Usage, what, token, is, reportOf(is).check(), hsm.Trusted.Names()).
			With(fmt.Sprintf("nothing was stored, and no key becomes trusted that was not made so; delete that one first, with the user's PIN: 'ssovault key delete %q --id %x --token %s'; then give the command again", is.Label, is.ID, t.Serial))
	}
	return nil
}

func anotherKey(t admin.Token, is admin.Key) error {
	return fault.New(fault.Usage, "the token %s has another key %s, KCV %s", oneLine(t.String()), is, reportOf(is).check()).
		With("nothing was stored; take another label, or delete that key first: 'ssovault key delete'")
}

// sameOnSheets lets the custodians compare the KCV of a key. Whoever types the KCV
// itself says yes with it. What is no answer is asked again: nobody should have to
// type components anew for a slip.
func (a *app) sameOnSheets(ctx context.Context, what, kcv string) (bool, error) {
	q, err := a.questions(ctx)
	if err != nil {
		return false, err
	}
	defer q.close()
	q.say("%s.", what)
	for {
		answer, err := q.ask("Is that the one on the sheets (yes/no)", "")
		if err != nil {
			return false, err
		}
		switch typed, notKCV := hsm.ParseKCV(answer); {
		case strings.EqualFold(answer, "yes"), strings.EqualFold(answer, "y"), notKCV == nil && typed.String() == kcv:
			return true, nil
		case strings.EqualFold(answer, "no"), strings.EqualFold(answer, "n"):
			return false, nil
		case notKCV == nil:
			q.say("%s is another KCV than %s. Say no if that stands on the sheets.", typed, kcv)
		default:
			q.say("Say yes or no, or type the KCV on the sheets; Ctrl-C breaks off.")
		}
	}
}
