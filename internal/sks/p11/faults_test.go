package p11_test

import (
	"errors"
	"strings"
	"testing"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
)

func TestVerdictsOnARealToken(t *testing.T) {
	for name, c := range map[string]struct {
		plan      string // after the file was written
		alter     bool   // a bit of the file
		otherKey  bool
		withProof bool
		want      fault.Cause
	}{
		"tampered":              {alter: true, withProof: true, want: fault.Tampered},
		"another key":           {otherKey: true, withProof: true, want: fault.WrongKey},
		"altered, no proof":     {alter: true, want: fault.Tampered},
		"sick at decrypting":    {plan: "on C_Decrypt * return 0x5", withProof: true, want: fault.Unreachable},
		"sick at starting":      {plan: "on C_DecryptInit * return 0x6", withProof: true, want: fault.Unreachable},
		"sick, without a proof": {plan: "on C_Decrypt * return 0x5", want: fault.Unreachable},
		"gives wrong plaintext": {plan: "on C_Decrypt * flip", alter: true, withProof: true, want: fault.Unreachable},
		"lost AES/GCM":          {plan: "no-mechanism 0x1087", withProof: true, want: fault.NoGCM},
	} {
		t.Run(name, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			s := open(t, k, m.Path)
			key, other := create(t, s), create(t, s)
			var proof sks.Proof
			if c.withProof {
				var err error
				if proof, err = sks.Prove(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			iv, box := seal(t, key, "the file")
			if c.alter {
				box[3] ^= 0x40
			}
			if c.otherKey {
				key = other
			}
			m.Plan(c.plan)
			m.Reset()
			_, refusal := key.Open(t.Context(), iv, box, nil)
			if refusal == nil {
				t.Fatal("it opens")
			}
			wantCause(t, sks.Verdict(t.Context(), key, proof, "instance.encp", refusal), c.want)
		})
	}
}

func TestCodesOfOpen(t *testing.T) {
	for code, want := range map[string]fault.Cause{
		"0x5": 0, "0x6": 0, "0x20": 0, "0x40": 0, "0x41": 0, // refused
		"0x30": fault.Unreachable, "0xB3": fault.Unreachable, "0xE0": fault.Unreachable, "0x101": fault.Unreachable,
		"0x70": fault.NoGCM, "0x71": fault.NoGCM, "0x68": fault.NoGCM,
		"0xA3": fault.PINUnavailable, "0x80000024": fault.Unreachable, "0x80000076": fault.DeviceLockedDown,
	} {
		t.Run(code, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			key := create(t, open(t, k, m.Path))
			iv, box := seal(t, key, "text")
			m.Plan("on C_Decrypt * return " + code)
			_, err := key.Open(t.Context(), iv, box, nil)
			if errors.Is(err, sks.ErrRefused) != (want == 0) || fault.Of(err) != want {
				t.Errorf("%v (cause %v)", err, fault.Of(err))
			}
			if got, ok := cryptoki.Code(err); !ok || !strings.Contains(err.Error(), cryptoki.Name(got)) {
				t.Errorf("code %#x, %v in %v", got, ok, err)
			}
		})
	}
}

func TestAnOutageIsNeverAMissingKey(t *testing.T) {
	for name, plan := range map[string]string{
		"sessions lost at the search":   "on C_FindObjectsInit 1 lose-sessions",
		"sessions lost before":          "on C_FindObjects * lose-sessions",
		"token gone":                    "on C_FindObjectsInit 1 vanish",
		"session handle invalid":        "on C_FindObjectsInit * return 0xB3",
		"login lost, search finds none": "on C_GetSessionInfo * return 0x101",
		"token gone, search finds none": "on C_GetTokenInfo * return 0xE0",
	} {
		t.Run(name, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			s := open(t, k, m.Path)
			create(t, s)
			m.Reset()
			m.Plan(plan)
			_, err := s.Key(t.Context(), sks.NewKeyID())
			wantCause(t, err, fault.Unreachable)
			if all, err := s.List(t.Context(), "none"); err == nil && len(all) != 0 {
				t.Errorf("lists %v", all)
			}
		})
	}
}

func TestALostLoginIsNotAnEmptyToken(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	s := open(t, k, m.Path)
	key := create(t, s)
	m.Reset()
	m.Plan("on C_FindObjectsInit 1 lose-sessions")
	if _, err := s.Key(t.Context(), key.Info().ID); fault.Of(err) != fault.Unreachable {
		t.Fatal(err)
	}
	// The sessions are gone and with them the login, but the library goes on.
	for range 3 {
		_, err := s.Key(t.Context(), key.Info().ID)
		wantCause(t, err, fault.Unreachable)
		_, err = s.Recall(t.Context(), "000000000001")
		wantCause(t, err, fault.Unreachable)
		_, err = s.Create(t.Context(), newKey())
		wantCause(t, err, fault.Unreachable)
	}
	if n := m.CallsOf("C_GenerateKey"); n != 0 {
		t.Errorf("%d keys were generated after the login was lost", n)
	}
	if n := m.CallsOf("C_Login"); n != 0 {
		t.Errorf("%d logins by itself", n)
	}
}

func TestTwoKeysOfOneIDAreAmbiguous(t *testing.T) {
	k := p11test.Token(t)
	s := open(t, k, k.Library)
	spec := newKey()
	if _, err := s.Create(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tool(t, k, "--keygen", "--key-type", "AES:32", "--id", spec.ID.String(), "--label", "another")
	s = open(t, k, k.Library)
	_, err := s.Key(t.Context(), spec.ID)
	wantCause(t, err, fault.KeyAmbiguous)
	_, err = s.Create(t.Context(), spec)
	wantCause(t, err, fault.KeyAmbiguous)
}

func TestSealOfMoreThanTheDeviceTakes(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	key := create(t, open(t, k, m.Path))
	m.Plan("on C_Encrypt * return 0x21")
	_, err := key.Seal(t.Context(), make([]byte, 1<<20), nil)
	wantCause(t, err, fault.NoGCM)
	if !strings.Contains(err.Error(), "1048576") {
		t.Errorf("%v does not say how many bytes", err)
	}
}
