package p11_test

import (
	"testing"

	"ssovault/internal/p11test"
	"ssovault/internal/sks"
	"ssovault/internal/sks/skstest"
)

func TestStoreOnSoftHSM(t *testing.T) {
	skstest.Test(t, func(t *testing.T) sks.Store {
		k := p11test.Token(t)
		return open(t, k, k.Library)
	})
}

func TestStoreOnTokensThatMakeIVs(t *testing.T) {
	for plan, want := range map[string]sks.IVConvention{
		"iv appended": sks.IVAppended,
		"iv written":  sks.IVWritten,
	} {
		t.Run(want.String(), func(t *testing.T) {
			skstest.Test(t, func(t *testing.T) sks.Store {
				k, m := p11test.Token(t), p11test.Faulty(t, "")
				m.Plan(plan)
				s := open(t, k, m.Path)
				proven := newKey()
				key, err := s.Create(t.Context(), proven)
				if err != nil {
					t.Fatal(err)
				}
				if iv, err := key.Convention(t.Context()); err != nil || iv != want {
					t.Fatalf("convention %v, %v; want %v", iv, err, want)
				}
				if err := s.Remove(t.Context(), proven.ID); err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}
