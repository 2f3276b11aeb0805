package skstest

import (
	"fmt"
	"slices"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// largest is the size of the largest sealed file.
const largest = 16 << 20

func sizes(t *testing.T, s Store) {
	k := create(t, s)
	for _, n := range []int{0, 1, 15, 16, 17, 4096, 1 << 20, largest} {
		for _, aad := range [][]byte{nil, random(1), random(2048)} {
			text := random(n)
			iv, box := seal(t, k, text, aad)
			mustOpen(t, k, iv, box, aad, text)
			if n == largest {
				break // one of this size costs as much as all the others
			}
		}
	}
}

func freshIVs(t *testing.T, s Store) {
	k := create(t, s)
	seen := map[string]bool{}
	const boxes = 50
	for range boxes {
		c, box := seal(t, k, []byte("the same text"), nil)
		iv, _, err := c.Split(box)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(iv)] = true
	}
	if len(seen) != boxes {
		t.Errorf("%d IVs in %d boxes", len(seen), boxes)
	}
}

func alteredBoxes(t *testing.T, s Store) {
	k := create(t, s)
	text, aad := []byte("text"), []byte("aad")
	iv, box := seal(t, k, text, aad)
	for bit := range len(box) * 8 {
		altered := slices.Clone(box)
		altered[bit/8] ^= 1 << (bit % 8)
		mustRefuse(t, k, iv, altered, aad, fmt.Sprintf("bit %d flipped", bit))
	}
	for n := range len(box) {
		mustRefuse(t, k, iv, box[:n], aad, fmt.Sprintf("cut to %d bytes", n))
	}
	mustRefuse(t, k, iv, append(slices.Clone(box), 0), aad, "a byte appended")
	mustRefuse(t, k, iv, box, nil, "no AAD")
	mustRefuse(t, k, iv, box, []byte("AAD"), "other AAD")
	mustOpen(t, k, iv, box, aad, text)
}

func otherKey(t *testing.T, s Store) {
	one, other := create(t, s), create(t, s)
	iv, box := seal(t, one, []byte("text"), nil)
	mustRefuse(t, other, iv, box, nil, "another key")
	mustOpen(t, one, iv, box, nil, []byte("text"))
}

func verdicts(t *testing.T, s Store) {
	one, other := create(t, s), create(t, s)
	proof, err := sks.Prove(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Check(t.Context(), one); err != nil {
		t.Fatalf("the key's own proof: %v", err)
	}
	iv, box := seal(t, one, random(50), nil)
	box[len(box)/2] ^= 1
	_, refusal := one.Open(t.Context(), iv, box, nil)
	for name, c := range map[string]struct {
		key   sks.Key
		proof sks.Proof
		want  fault.Cause
	}{
		"altered file":       {one, proof, fault.Tampered},
		"another key":        {other, proof, fault.WrongKey},
		"no proof to ask of": {other, sks.Proof{}, fault.Tampered},
	} {
		t.Run(name, func(t *testing.T) {
			wantCause(t, sks.Verdict(t.Context(), c.key, c.proof, "instance.encp", refusal), c.want)
		})
	}
}
