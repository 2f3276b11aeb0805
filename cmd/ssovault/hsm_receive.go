package main

import (
	"context"
	"encoding/hex"
	"slices"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// receive brings a key into the second token, and tells what became of it, and
// under which other id it is there already. A sealing key under another id is
// refused (cause WrongKey): files name their key by its id.
func (d *desk) receive(ctx context.Context, k onItsWay, peer identity, replicable bool) (state, otherID string, err error) {
	n := admin.NewKey{ID: k.ID, Label: k.Label, Type: hsm.KeyType(k.Type), Bits: int(k.Bits)}
	n.Attributes = replicaAttributes(k.Attributes, replicable)
	_, err = d.store(ctx, &n, func(v *visit) (made admin.Key, err error) {
		there, err := v.secretKeys(ctx, k.Label)
		if err != nil {
			return made, err
		}
		if len(there) > 0 {
			state = statePresent
			if len(there) == 1 && there[0].KCV == "" && slices.Equal(there[0].ID, k.ID) {
				return made, nil // the token tells no check value of keys that were unwrapped
			}
			switch {
			case len(there) > 1 || there[0].KCV != k.KCV:
				state = stateOther
				err = fault.New(fault.WrongKey, "the token %s has another key %q", oneLine(v.token.String()), k.Label).
					Because("the second token has another key of that label").
					With("nothing was done to it; look at both with 'ssovault hsm compare', and delete the one that is not meant")
			case !slices.Equal(there[0].ID, k.ID):
				state, otherID = stateOtherID, hex.EncodeToString(there[0].ID)
				if notSealing(k.Label) != nil {
					err = fault.New(fault.WrongKey, "the token %s has the sealing key %q under another id, %s, not %x: a folder whose files need that key finds none there", oneLine(v.token.String()), k.Label, otherID, k.ID).
						Because("the second token has the key under another id").
						With("nothing was done to it; where no file needs it under that id, 'ssovault key retire " + otherID + " --token " + v.token.Serial + "' removes it; then replicate again")
				}
			}
			return made, err
		}
		if err := v.noTwin(ctx, n.Attributes, k.kcv.String()); err != nil {
			return made, err
		}
		private, _, err := v.sound(ctx, peer)
		if err != nil {
			return made, err
		}
		for _, w := range k.wraps {
			if made, err = v.Unwrap(ctx, n, w.text, private, w.how, k.kcv); err == nil || v.Ailing() || fault.Of(err) == fault.Unreachable {
				break
			}
		}
		state = stateReplicated
		return made, err
	})
	return state, otherID, err
}

// replicaAttributes are those of the copy.
func replicaAttributes(of hsm.Attributes, replicable bool) hsm.Attributes {
	const kept = hsm.Modifiable | hsm.Wrap | hsm.Unwrap | hsm.Derive | hsm.Encrypt | hsm.Decrypt | hsm.Sign | hsm.Verify
	a := of&kept | hsm.Private | hsm.Sensitive
	if replicable {
		a |= hsm.Extractable | hsm.TrustedWrapOnly
	}
	return a
}
