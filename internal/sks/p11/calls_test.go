package p11_test

import (
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
)

// maxStartCalls is what a start may cost: on a link of 1 ms it is 36 ms.
const maxStartCalls = 36

func TestCallsOfOneStart(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	s := open(t, k, m.Path)
	key := create(t, s)
	iv, one := seal(t, key, "instance")
	_, two := seal(t, key, "shared")
	want := sks.Mark{Generation: 3, SaveID: sks.NewKeyID().String()}
	if err := s.Remember(t.Context(), "000000000001", want); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	m.Plan("log")
	m.Reset()
	s = open(t, k, m.Path)
	found, err := s.Key(t.Context(), key.Info().ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, box := range [][]byte{one, two} {
		if _, err := found.Open(t.Context(), iv, box, nil); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Recall(t.Context(), "000000000001"); err != nil || got != want {
		t.Fatalf("recalled %+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := m.Calls(); n == 0 || n > maxStartCalls {
		t.Errorf("a start costs %d calls, at most %d:\n%s", n, maxStartCalls, strings.Join(m.Log(), "\n"))
	}
	if n, closed := m.CallsOf("C_OpenSession"), m.CallsOf("C_Finalize"); n > 3 || closed != 2 {
		t.Errorf("%d sessions, %d finalisations", n, closed)
	}
}

func TestSessionsAreNotLeaked(t *testing.T) {
	for _, plan := range []string{"iv caller", "iv appended", "iv written"} {
		k, m := p11test.Token(t), p11test.Faulty(t, "")
		m.Plan(plan)
		s := open(t, k, m.Path)
		key := create(t, s)
		opened := m.CallsOf("C_OpenSession")
		for range 20 {
			iv, box := seal(t, key, "text")
			if _, err := key.Open(t.Context(), iv, box[1:], nil); err == nil {
				t.Fatal("a box that was cut opens")
			}
			if _, err := s.Key(t.Context(), sks.NewKeyID()); fault.Of(err) != fault.KeyMissing {
				t.Fatal(err)
			}
		}
		if n := m.CallsOf("C_OpenSession"); n != opened {
			t.Errorf("%s: %d sessions became %d", plan, opened, n)
		}
	}
}

func TestConventionIsProbedOnceAndOnlyToSeal(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	s := open(t, k, m.Path)
	key := create(t, s)
	iv, box := seal(t, key, "text")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, k, m.Path)
	found, err := s.Key(t.Context(), key.Info().ID)
	if err != nil {
		t.Fatal(err)
	}
	m.Reset()
	if _, err := found.Open(t.Context(), iv, box, nil); err != nil {
		t.Fatal(err)
	}
	if n := m.CallsOf("C_EncryptInit"); n != 0 {
		t.Errorf("opening encrypts %d times", n)
	}
	for range 3 {
		seal(t, found, "text")
	}
	if n := m.CallsOf("C_EncryptInit"); n != 4 {
		t.Errorf("three boxes cost %d encryptions, want 4 with the probe", n)
	}
}
