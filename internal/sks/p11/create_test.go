package p11_test

import (
	"fmt"
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
)

func TestNewKeyIsWhatASealingKeyMustBe(t *testing.T) {
	k := p11test.Token(t)
	spec := newKey()
	if _, err := open(t, k, k.Library).Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("secret-key %q id=%s aes bytes=32 private sensitive encrypt decrypt\n", spec.Label, spec.ID)
	if got := k.Snapshot(t); got != want {
		t.Fatalf("the token holds:\n%swant:\n%s", got, want)
	}
}

func TestLostAnswerOfGenerateKey(t *testing.T) {
	for _, plan := range []string{"on C_GenerateKey 1 after 0x30", "on C_GenerateKey 1 after 0x5"} {
		k, m := p11test.Token(t), p11test.Faulty(t, "")
		m.Plan(plan)
		s := open(t, k, m.Path)
		key := create(t, s)
		seal(t, key, "text")
		if all, err := s.List(t.Context(), ""); err != nil || len(all) != 1 || len(all[0].Unsafe) != 0 {
			t.Errorf("%s: holds %v, %v", plan, all, err)
		}
		if n := m.CallsOf("C_GenerateKey"); n != 1 {
			t.Errorf("%s: %d keys generated", plan, n)
		}
	}
}

func TestInterruptedCreateGoesOn(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	spec := newKey()
	m.Plan("on C_GenerateKey 1 after 0x5", "on C_FindObjectsInit 2+ return 0x30")
	s := open(t, k, m.Path)
	_, err := s.Create(t.Context(), spec)
	wantCause(t, err, fault.Unreachable)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	m.Plan()
	s = open(t, k, m.Path)
	key, err := s.Create(t.Context(), spec)
	if err != nil || key.Info().ID != spec.ID {
		t.Fatalf("%v, %v", key, err)
	}
	if n := m.CallsOf("C_GenerateKey"); n != 1 {
		t.Errorf("%d keys generated", n)
	}
}

func TestGenerateKeyThatFails(t *testing.T) {
	for plan, want := range map[string]fault.Cause{
		"on C_GenerateKey * return 0x30":       fault.Unreachable,
		"on C_GenerateKey * return 0x1B":       fault.NotPermitted,
		"on C_GenerateKey * return 0x8000001A": fault.NotPermitted,
		"on C_GenerateKey * return 0x70":       fault.NoGCM,
		"no-mechanism 0x1080":                  fault.NoGCM,
	} {
		k, m := p11test.Token(t), p11test.Faulty(t, "")
		m.Plan(plan)
		before := k.Snapshot(t)
		s := open(t, k, m.Path)
		_, err := s.Create(t.Context(), newKey())
		wantCause(t, err, want)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if k.Snapshot(t) != before {
			t.Errorf("%s: something was left in the token", plan)
		}
	}
}

func TestUselessKeyIsRemovedAgain(t *testing.T) {
	for plan, want := range map[string]fault.Cause{
		"no-mechanism 0x1087":                   fault.NoGCM, // hidden from the list: nothing is made
		"on C_EncryptInit * return 0x70":        fault.NoGCM, // listed, and does not work
		"on C_EncryptInit * return 0x68":        fault.NoGCM,
		"on C_Encrypt * return 0x71":            fault.NoGCM,
		"on C_Decrypt * return 0x40":            fault.Unreachable,
		"on C_Encrypt * flip":                   fault.Unreachable, // its boxes do not open
		"on C_GetAttributeValue 1+ return 0x30": fault.Unreachable,
	} {
		t.Run(plan, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			m.Plan(plan)
			before := k.Snapshot(t)
			s := open(t, k, m.Path)
			_, err := s.Create(t.Context(), newKey())
			wantCause(t, err, want)
			if strings.HasPrefix(plan, "no-mechanism") && m.CallsOf("C_GenerateKey") != 0 {
				t.Error("a key was made in a token that lists no AES/GCM")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if after := k.Snapshot(t); after != before {
				t.Errorf("something was left in the token:\n%s", after)
			}
		})
	}
}

func TestTokenWithoutGCM(t *testing.T) {
	k := p11test.Opencryptoki(t)
	before := k.Snapshot(t)
	a := access(k, k.Library)
	a.Serialise = false
	s, _, err := dial(t, a, k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), newKey())
	wantCause(t, err, fault.NoGCM)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after := k.Snapshot(t); after != before {
		t.Errorf("something was left in the token:\n%s", after)
	}
}

func TestUnsafeKeysAreNamed(t *testing.T) {
	k := p11test.Token(t)
	id := sks.NewKeyID()
	tool(t, k, "--keygen", "--key-type", "AES:32", "--id", id.String(), "--label", "theirs", "--extractable", "--usage-wrap")
	tool(t, k, "--keygen", "--key-type", "AES:16", "--id", sks.NewKeyID().String(), "--label", "short")
	tool(t, k, "--keygen", "--key-type", "AES:32", "--id", "01", "--label", "their short id")
	s := open(t, k, k.Library)
	all, err := s.List(t.Context(), "")
	if err != nil || len(all) != 2 {
		t.Fatalf("lists %v, %v", all, err)
	}
	for _, info := range all {
		unsafe := strings.Join(info.Unsafe, ", ")
		for _, want := range map[string][]string{"theirs": {"extractable", "modifiable", "may wrap"}, "short": {"128 bits"}}[info.Label] {
			if !strings.Contains(unsafe, want) {
				t.Errorf("%s is %q, not %q", info.Label, unsafe, want)
			}
		}
	}
	// A key of that id which is not safe is not taken for a sealing key.
	_, err = s.Create(t.Context(), sks.NewKey{ID: id, Label: "theirs"})
	wantCause(t, err, fault.NotPermitted)
	if _, err := s.Key(t.Context(), id); err != nil {
		t.Errorf("a key that Create did not make was removed: %v", err)
	}
}
