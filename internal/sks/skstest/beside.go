package skstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

const (
	instance      = "000000000001"
	otherInstance = "000000000002"
)

func mark(generation uint64) sks.Mark {
	return sks.Mark{Generation: generation, SaveID: sks.NewKeyID().String()}
}

func marks(t *testing.T, s Store) {
	recall := func(of string, want sks.Mark) {
		t.Helper()
		if got, err := s.Recall(t.Context(), of); err != nil || got != want {
			t.Fatalf("recalled %+v, %v; want %+v", got, err, want)
		}
	}
	recall(instance, sks.Mark{})
	first, second, other := mark(1), mark(2), mark(18446744073709551615)
	lower, sameNumber := mark(1), mark(2)
	for _, m := range []sks.Mark{first, first, second, sameNumber, lower} {
		if err := s.Remember(t.Context(), instance, m); err != nil {
			t.Fatal(err)
		}
		recall(instance, m)
	}
	recall(otherInstance, sks.Mark{})
	if err := s.Remember(t.Context(), otherInstance, other); err != nil {
		t.Fatal(err)
	}
	recall(otherInstance, other)
	recall(instance, lower)
}

func brokenMarks(t *testing.T, s Store) {
	whole := mark(1)
	for name, m := range map[string]sks.Mark{
		"generation 0":    {Generation: 0, SaveID: whole.SaveID},
		"no save-id":      {Generation: 1},
		"short save-id":   {Generation: 1, SaveID: whole.SaveID[1:]},
		"upper case":      {Generation: 1, SaveID: "ABCDEF" + whole.SaveID[6:]},
		"a line smuggled": {Generation: 1, SaveID: whole.SaveID[:31] + "\n"},
	} {
		if err := s.Remember(t.Context(), instance, m); err == nil {
			t.Errorf("%s was remembered", name)
		}
	}
	if got, err := s.Recall(t.Context(), instance); err != nil || got != (sks.Mark{}) {
		t.Errorf("recalled %+v, %v; want nothing", got, err)
	}
}

func certificates(t *testing.T, s Store) {
	k := create(t, s)
	id := k.Info().ID
	for _, der := range [][]byte{Certificate(t, "one"), Certificate(t, "two")} {
		for range 2 { // twice is as good as once
			if err := s.KeepCertificate(t.Context(), id, "leaf", der); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Key(t.Context(), id); err != nil {
		t.Errorf("the key beside its certificate: %v", err)
	}
	wantCause(t, s.KeepCertificate(t.Context(), id, "leaf", []byte("no certificate")), fault.Malformed)
	if err := s.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// Certificate makes a self-signed certificate of that name, in DER.
func Certificate(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<32, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
