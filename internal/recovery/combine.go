package recovery

import (
	"crypto/subtle"
	"fmt"

	"filippo.io/age"
	"github.com/getsops/sops/v3/shamir"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// Named is a share and what to call it by: the file that it came from.
type Named struct {
	Name string
	Share
}

// Combine brings the identity back. Cause Usage when there are too few shares,
// the same twice or some of another set; Tampered when together they make
// another identity than the dealer split.
func Combine(all []Named) (Identity, error) {
	if len(all) == 0 {
		return Identity{}, fault.New(fault.Usage, "no share was given")
	}
	if err := FitTogether(all); err != nil {
		return Identity{}, err
	}
	first := all[0]
	if len(all) < first.Shares.Threshold {
		return Identity{}, fault.New(fault.Usage, "%s shares are needed, %s given", first.Shares, given(len(all)))
	}
	points := make([][]byte, len(all))
	for i, s := range all {
		points[i] = append(append(make([]byte, 0, identitySize+1), s.y[:]...), byte(s.Index))
		defer clear(points[i])
	}
	b, err := shamir.Combine(points)
	if err != nil {
		return Identity{}, fault.Wrap(fault.Tampered, err, "combine the shares")
	}
	key := secret.New(b)
	defer key.Wipe()
	return combined(key, first)
}

// FitTogether makes sure that shares are different ones of one set. Cause Usage,
// naming the two that do not.
func FitTogether(all []Named) error {
	if len(all) == 0 {
		return nil
	}
	first := all[0]
	byIndex := map[int]string{}
	for _, s := range all {
		if s.Set != first.Set || !s.Signer.Is(first.Signer) || s.Instance != first.Instance || s.Shares != first.Shares {
			return fault.New(fault.Usage, "%s is a share of the set %s, dealt %s for instance %s; %s of the set %s, dealt %s for instance %s",
				first.Name, first.Set.Short(), date(first), first.Instance, s.Name, s.Set.Short(), date(s), s.Instance).
				With("only shares of one set open anything together: leave out those of the others")
		}
		if before, twice := byIndex[s.Index]; twice {
			return fault.New(fault.Usage, "%s and %s are the same share (%d of %d)", before, s.Name, s.Index, s.Shares.Count)
		}
		byIndex[s.Index] = s.Name
	}
	return nil
}

// combined is the identity of a key, if it is the one that was split.
func combined(key secret.Value, of Named) (Identity, error) {
	id, err := age.ParseX25519Identity(keyText(key))
	if err != nil {
		return Identity{}, fault.New(fault.Tampered, "the shares make no identity")
	}
	is := Public{Recipient: id.Recipient().String(), Signer: of.Signer}.Set()
	if subtle.ConstantTimeCompare(is[:], of.Set[:]) != 1 {
		return Identity{}, fault.New(fault.Tampered, "together the shares make another identity than the set %s was dealt from", of.Set.Short())
	}
	return Identity{all: []age.Identity{id}, Signer: &of.Signer, Instance: of.Instance}, nil
}

func date(s Named) string { return s.Dealt.Format("2006-01-02 15:04 UTC") }

func given(n int) string {
	if n == 1 {
		return "1 was"
	}
	return fmt.Sprintf("%d were", n)
}
