package p11_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
	"ssovault/internal/sks/skstest"
)

const instance = "000000000001"

func mark(generation uint64) sks.Mark {
	return sks.Mark{Generation: generation, SaveID: sks.NewKeyID().String()}
}

func TestGarbageMarksAreIgnored(t *testing.T) {
	k := p11test.Token(t)
	newest := mark(7)
	remembered := func(m sks.Mark) {
		s := open(t, k, k.Library)
		if err := s.Remember(t.Context(), instance, m); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	remembered(mark(6))
	remembered(newest)
	for name, value := range map[string]string{
		"text": "generation=99", "empty lines": "\n\n", "large": strings.Repeat("x", 4096),
		"not canonical": "generation=08\nsave-id=" + newest.SaveID + "\n",
	} {
		file := filepath.Join(t.TempDir(), "value")
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(name, err)
		}
		tool(t, k, "--write-object", file, "--type", "data", "--private", "--application-label", "ssovault",
			"--label", "SSO Vault Generation "+instance)
	}
	s := open(t, k, k.Library)
	if got, err := s.Recall(t.Context(), instance); err != nil || got != newest {
		t.Errorf("recalled %+v, %v; want %+v", got, err, newest)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// One mark of ours and four that are not.
	if objects := k.Snapshot(t); strings.Count(objects, "\n") != 5 {
		t.Errorf("the token holds:\n%s", objects)
	}
}

func TestNewMarkIsStoredBeforeOldOnesGo(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	s := open(t, k, m.Path)
	old, next := mark(1), mark(2)
	if err := s.Remember(t.Context(), instance, old); err != nil {
		t.Fatal(err)
	}
	m.Plan("on C_CreateObject * return 0x31")
	wantCause(t, s.Remember(t.Context(), instance, next), fault.Unreachable)
	if got, err := s.Recall(t.Context(), instance); err != nil || got != old {
		t.Errorf("recalled %+v, %v; want the old one", got, err)
	}
	m.Plan("on C_DestroyObject * return 0x30")
	wantCause(t, s.Remember(t.Context(), instance, next), fault.Unreachable)
	if got, err := s.Recall(t.Context(), instance); err != nil || got != next {
		t.Errorf("recalled %+v, %v; want the new one", got, err)
	}
	m.Plan()
	if err := s.Remember(t.Context(), instance, next); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if objects := k.Snapshot(t); strings.Count(objects, "\n") != 1 {
		t.Errorf("the token holds:\n%s", objects)
	}
}

func TestRoleThatCannotRemember(t *testing.T) {
	for _, plan := range []string{"refuse-objects data", "refuse-objects data 0x10", "refuse-objects data 0x101", "refuse-objects data 0x8000001A"} {
		k, m := p11test.Token(t), p11test.Faulty(t, "")
		m.Plan(plan)
		s := open(t, k, m.Path)
		if err := s.Remember(t.Context(), instance, mark(1)); !errors.Is(err, sks.ErrCannotRemember) {
			t.Errorf("%s: %v", plan, err)
		}
		create(t, s) // which it still can
	}
}

func TestOneCertificateBesideTheKey(t *testing.T) {
	k := p11test.Token(t)
	s := open(t, k, k.Library)
	id := create(t, s).Info().ID
	for range 2 {
		for _, name := range []string{"one", "two"} {
			if err := s.KeepCertificate(t.Context(), id, name, skstest.Certificate(t, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	objects := k.Snapshot(t)
	if strings.Count(objects, "certificate") != 1 || !strings.Contains(objects, "two") || strings.Count(objects, id.String()) != 2 {
		t.Errorf("the token holds:\n%s", objects)
	}
	s = open(t, k, k.Library)
	if err := s.Remove(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if objects := k.Snapshot(t); objects != "" {
		t.Errorf("the token still holds:\n%s", objects)
	}
}
