// Package skstest is the suite that every sks.Store must pass.
package skstest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// Store is all that a device of ours can do.
type Store interface {
	sks.Store
	sks.Rememberer
	sks.Keeper
}

// Label is what the suite's keys are called.
const Label = "SSO Vault Properties 000000000001"

// Test runs the suite. Each call of fresh gives a Store that holds nothing;
// the suite closes it. A Store that remembers or keeps nothing does not pass.
func Test(t *testing.T, fresh func(t *testing.T) sks.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s Store)
	}{
		{"a key is found by its id", keyIsFound},
		{"a key that is not there is missing", keyIsMissing},
		{"a key is made once", keyIsMadeOnce},
		{"a replicable key leaves wrapped by trusted keys alone", keyIsReplicable},
		{"keys are listed by their labels", keysAreListed},
		{"a removed key is missing", keyIsRemoved},
		{"a box opens, of any size", sizes},
		{"no two boxes share an IV", freshIVs},
		{"every altered box is refused", alteredBoxes},
		{"a box of another key is refused", otherKey},
		{"the verdict on a refusal", verdicts},
		{"the newest mark is remembered", marks},
		{"only whole marks are remembered", brokenMarks},
		{"a certificate is kept beside the key", certificates},
		{"a closed store says so", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fresh(t)
			whole, ok := s.(Store)
			if !ok {
				t.Fatalf("%T cannot remember or keep", s)
			}
			t.Cleanup(func() { _ = s.Close() })
			c.run(t, whole)
		})
	}
}

// create makes a key or ends the test.
func create(t *testing.T, s sks.Store) sks.Key {
	t.Helper()
	k, err := s.Create(t.Context(), sks.NewKey{ID: sks.NewKeyID(), Label: Label})
	if err != nil {
		t.Fatalf("create a key: %v", err)
	}
	return k
}

// seal makes a box or ends the test.
func seal(t *testing.T, k sks.Sealer, plaintext, aad []byte) (sks.IVConvention, []byte) {
	t.Helper()
	iv, err := k.Convention(t.Context())
	if err != nil {
		t.Fatalf("convention: %v", err)
	}
	box, err := k.Seal(t.Context(), plaintext, aad)
	if err != nil {
		t.Fatalf("seal %d bytes: %v", len(plaintext), err)
	}
	if want := len(plaintext) + iv.Overhead(); len(box) != want {
		t.Fatalf("a box of %d bytes for %d under %s, want %d", len(box), len(plaintext), iv, want)
	}
	return iv, box
}

// mustOpen opens a box to what it was made of.
func mustOpen(t *testing.T, k sks.Sealer, iv sks.IVConvention, box, aad, want []byte) {
	t.Helper()
	got, err := k.Open(t.Context(), iv, box, aad)
	if err != nil {
		t.Fatalf("open a box of %d bytes: %v", len(box), err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("a box of %d bytes came back as %d", len(want), len(got))
	}
}

// mustRefuse makes sure that a box does not open, and that the reason is left
// open as well.
func mustRefuse(t *testing.T, k sks.Sealer, iv sks.IVConvention, box, aad []byte, what string) {
	t.Helper()
	got, err := k.Open(t.Context(), iv, box, aad)
	if !errors.Is(err, sks.ErrRefused) {
		t.Fatalf("%s: %v, want ErrRefused", what, err)
	}
	if len(got) != 0 {
		t.Fatalf("%s: refused, but %d bytes came", what, len(got))
	}
}

func wantCause(t *testing.T, err error, want fault.Cause) {
	t.Helper()
	if got := fault.Of(err); err == nil || got != want {
		t.Fatalf("error %v of cause %d, want cause %d (%v)", err, got, want, want)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
