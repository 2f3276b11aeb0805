package vault

import (
	"context"
	"errors"
	"slices"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/sks"
)

// KeyState is a sealing key of an instance in a token, and what needs it.
type KeyState struct {
	sks.KeyInfo
	Needs []Need
}

// Free tells whether nothing that is known needs the key.
func (k KeyState) Free() bool { return len(k.Needs) == 0 }

// InstanceNumber is whose folder this is; "" when it does not say.
func (c *Contents) InstanceNumber() string {
	if c.Mode == ModeSealed {
		return c.SKS.Instance
	}
	set, err := properties.Parse(c.Clear.Instance)
	if err != nil {
		return ""
	}
	n, _ := set.Get("instance_number")
	return n
}

// Keys lists the sealing keys of the instance in a token, and for each what of
// needs concerns it. Keys of labels that ssovault does not give are nobody's
// business here.
func (c *Contents) Keys(ctx context.Context, store sks.Store, needs []Need) ([]KeyState, error) {
	keeper, ok := store.(sks.Keeper)
	if !ok {
		return nil, errors.New("this store lists no keys")
	}
	found, err := keeper.List(ctx, KeyLabelFor(c.InstanceNumber()))
	if err != nil {
		return nil, fault.Wrap(fault.Unreachable, err, "list the keys of instance %s", c.InstanceNumber())
	}
	var all []KeyState
	for _, k := range found {
		if keyNumber(k.Label, c.InstanceNumber()) == 0 {
			continue
		}
		state := KeyState{KeyInfo: k}
		for _, n := range needs {
			if n.concerns(k.ID) {
				state.Needs = append(state.Needs, n)
			}
		}
		if state.Free() {
			// It would be removed by its id, and would take another of that id along.
			switch _, err := store.Key(ctx, k.ID); {
			case fault.Of(err) == fault.KeyAmbiguous:
				state.Needs = append(state.Needs, Need{By: "another key of the same id", Key: k.ID, Advice: "look at both with the vendor's tool"})
			case err != nil:
				return nil, fault.Wrap(fault.Unreachable, err, "look for the key %q (id %s)", k.Label, k.ID)
			}
		}
		all = append(all, state)
	}
	slices.SortStableFunc(all, func(a, b KeyState) int {
		return keyNumber(a.Label, c.InstanceNumber()) - keyNumber(b.Label, c.InstanceNumber())
	})
	return all, nil
}

// MayRetire answers RolledBack when the token remembers a newer save than this
// folder holds, or another one of the same number: then this is an older copy,
// and somebody may use the keys. told is false where that cannot be compared:
// the settings lie in the clear, or the token remembers nothing.
func (c *Contents) MayRetire(ctx context.Context, store sks.Store, token sks.Token) (told bool, err error) {
	if c.Mode != ModeSealed {
		return false, nil
	}
	// Whatever sks.properties says of rollbacks: here they always matter.
	strict := *c
	strict.SKS.RefuseRollback = false
	r, err := strict.Rollback(ctx, store)
	if err == nil && r.Older {
		err = fault.New(fault.RolledBack, "the token %s: %s; this folder may be a copy, and somebody may use the keys", token, r.Warning()).
			With("retire keys from the folder that was saved last; if it is this one, say so with 'ssovault accept', or make a change first")
	}
	return !r.Unknown, err
}

// Retire removes a key that nothing needs, with the certificate beside it. It
// is no error when both are gone. The folder must be open for Change; store is
// logged in to the token. Cause Usage when the key is needed.
func (f *Folder) Retire(ctx context.Context, k KeyState, store sks.Store, token sks.Token) error {
	if err := k.Refusal(); err != nil {
		return err
	}
	keeper, ok := store.(sks.Keeper)
	if !ok {
		return errors.New("this store removes no keys")
	}
	if err := keeper.Remove(ctx, k.ID); err != nil {
		return fault.Wrap(fault.Unreachable, err, "remove the key %q (id %s); run it again to be sure that it is gone", k.Label, k.ID)
	}
	// It may be one that was made for nothing.
	all, err := f.Pending()
	for _, p := range all {
		if err == nil && p.KeyID == k.ID && p.Serial == token.Serial {
			err = f.withdraw(p.path)
		}
	}
	return err
}

// ListedNeeds is how many needs are named before "and others".
const ListedNeeds = 5

// Refusal says why the key stays, or nil.
func (k KeyState) Refusal() error {
	if k.Free() {
		return nil
	}
	advice := "delete what you do not need any more, and run it again"
	for _, n := range k.Needs {
		if n.Advice != "" {
			advice = n.Advice
			break
		}
	}
	return fault.New(fault.Usage, "the key %q (id %s) stays: needed by %s", k.Label, k.ID, k.NeededBy()).With(advice)
}

// NeededBy names what needs the key.
func (k KeyState) NeededBy() string {
	var names []string
	for i, n := range k.Needs {
		if i == ListedNeeds {
			names = append(names, "and others")
			break
		}
		names = append(names, n.String())
	}
	return strings.Join(names, ", ")
}

// NamedKey tells whether a name can be that of a sealing key of the instance: a
// label that ssovault gives, or an id. matches finds the keys that it means.
func (c *Contents) NamedKey(name string) (possible bool, matches func(sks.KeyInfo) bool) {
	id, err := sks.ParseKeyID(name)
	return err == nil || keyNumber(name, c.InstanceNumber()) != 0,
		func(k sks.KeyInfo) bool { return k.Label == name || err == nil && k.ID == id }
}
