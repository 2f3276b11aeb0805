package p11_test

import (
	"strings"
	"testing"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

func TestWrongPINIsTriedOnce(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	_, token, err := dial(t, access(k, m.Path), "wrong-pin")
	wantCause(t, err, fault.PINRefused)
	if n := m.CallsOf("C_Login"); n != 1 {
		t.Errorf("%d logins", n)
	}
	// SoftHSM sets CKF_USER_PIN_COUNT_LOW with the refusal, not before.
	if token.Serial != k.Serial || token.Tries != sks.TriesLow || !strings.Contains(err.Error(), token.Tries.String()) {
		t.Errorf("token %v tells %q; the error is %v", token, token.Tries, err)
	}
	if strings.Contains(err.Error(), "wrong-pin") {
		t.Errorf("the PIN is in the error: %v", err)
	}
	a := access(k, m.Path)
	a.Unattended = true
	_, _, err = dial(t, a, k.PIN)
	wantCause(t, err, fault.PINRefused)
	if n := m.CallsOf("C_Login"); n != 1 {
		t.Errorf("%d logins after a refusal", n)
	}
	if _, _, err := dial(t, access(k, m.Path), k.PIN); err != nil {
		t.Errorf("the right PIN, attended: %v", err)
	}
}

func TestFlagsAreReadBeforeTheLogin(t *testing.T) {
	const low, final, locked, userPIN = "0x00010000", "0x00020000", "0x00040000", "0x00000008"
	for name, c := range map[string]struct {
		flags      string
		unattended bool
		want       fault.Cause
		advice     string
	}{
		"locked":                {"flags " + locked + " 0x0", false, fault.PINLocked, ""},
		"locked, unattended":    {"flags " + locked + " 0x0", true, fault.PINLocked, ""},
		"low, unattended":       {"flags " + low + " 0x0", true, fault.PINRefused, "--try-pin"},
		"final try, unattended": {"flags " + final + " 0x0", true, fault.PINRefused, "--try-pin"},
		"low, attended":         {"flags " + low + " 0x0", false, 0, ""},
		"final try, attended":   {"flags " + final + " 0x0", false, 0, ""},
		"no user PIN":           {"flags 0x0 " + userPIN, false, fault.PINUnavailable, "security officer"},
		"none":                  {"flags 0x0 0x0", true, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			m.Plan(c.flags)
			a := access(k, m.Path)
			a.Unattended = c.unattended
			_, token, err := dial(t, a, k.PIN)
			if fault.Of(err) != c.want || (err == nil) != (c.want == 0) {
				t.Fatalf("%v, want cause %v", err, c.want)
			}
			if token.Serial != k.Serial {
				t.Errorf("token %v", token)
			}
			logins := 1
			if c.want != 0 {
				logins = 0
				if hint := fault.HintFor(err); !strings.Contains(hint, c.advice) {
					t.Errorf("hint %q says nothing of %q", hint, c.advice)
				}
			}
			if n := m.CallsOf("C_Login"); n != logins {
				t.Errorf("%d logins, want %d", n, logins)
			}
		})
	}
}

func TestCodesOfTheLogin(t *testing.T) {
	for plan, want := range map[string]fault.Cause{
		"on C_Login 1 return 0xA4":            fault.PINLocked,
		"on C_Login 1 return 0x102":           fault.PINUnavailable,
		"on C_Login 1 return 0x80000007":      fault.PINLocked,
		"on C_Login 1 return 0x80000020":      fault.DeviceLockedDown,
		"on C_Login 1 return 0x5":             fault.Unreachable,
		"on C_Initialize 1 return 0x8000001F": fault.Unreachable,
		"on C_Initialize 2 return 0x80000076": fault.DeviceLockedDown,
		"on C_GetSlotList 1 return 0x30":      fault.Unreachable,
	} {
		t.Run(plan, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			m.Plan(plan)
			_, _, err := dial(t, access(k, m.Path), k.PIN)
			wantCause(t, err, want)
			if n := m.CallsOf("C_Login"); n > 1 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

func TestFirstPasswordIsExpiredAtTheNextCall(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	m.Plan("on C_OpenSession 2+ return 0xA3")
	s := open(t, k, m.Path)
	_, err := s.Key(t.Context(), sks.NewKeyID())
	wantCause(t, err, fault.PINUnavailable)
	if hint := fault.HintFor(err); !strings.Contains(hint, "expired") {
		t.Errorf("hint %q", hint)
	}
}

func TestEmptyPINIsNotTried(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	_, _, err := dial(t, access(k, m.Path), "")
	wantCause(t, err, fault.PINUnavailable)
	if n := m.CallsOf("C_Login"); n != 0 {
		t.Errorf("%d logins", n)
	}
}

func TestTokenIsFoundBySerialThenByLabel(t *testing.T) {
	k := p11test.Token(t)
	second := k.Again(t, "second")
	twin := k.Again(t, "twins")
	k.Again(t, "twins")
	for name, c := range map[string]struct {
		serial, label string
		found         string
		replaced      bool
	}{
		"by serial":             {second.Serial, "second", second.Serial, false},
		"serial before label":   {second.Serial, k.Label, second.Serial, false},
		"serial of a twin":      {twin.Serial, "twins", twin.Serial, false},
		"by label":              {"0000", "second", second.Serial, true},
		"by label alone":        {"", "second", second.Serial, false},
		"two of that label":     {"0000", "twins", "", false},
		"neither":               {"0000", "nowhere", "", false},
		"nothing to look for":   {"", "", "", false},
		"not by an empty label": {"0000", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := access(k, k.Library)
			a.Serial, a.Label = c.serial, c.label
			_, token, err := dial(t, a, k.PIN)
			if c.found == "" {
				wantCause(t, err, fault.Unreachable)
				if c.label == "nowhere" && !strings.Contains(err.Error(), second.Serial) {
					t.Errorf("%v does not say what the library sees", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if token.Serial != c.found || token.Replaced != c.replaced {
				t.Errorf("found %v, replaced %v", token, token.Replaced)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	second := k.Again(t, "second")
	m.Plan("no-mechanism 0x1087")
	for library, gcm := range map[string]bool{k.Library: true, m.Path: false} {
		all, err := new(helper.Client).Tokens(t.Context(), library, sks.Timeouts{Question: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		initialised := map[string]sks.Token{}
		for _, token := range all {
			if token.Initialised {
				initialised[token.Serial] = token
			}
		}
		if len(all) != 3 || len(initialised) != 2 {
			t.Errorf("sees %v", all)
		}
		for _, want := range []p11test.Tok{k, second} {
			got := initialised[want.Serial]
			if got.Label != want.Label || !got.UserPINSet || got.GCM != gcm || !got.KeyGen || !strings.Contains(got.Manufacturer, "SoftHSM") {
				t.Errorf("%+v", got)
			}
		}
	}
	if n := m.CallsOf("C_Login"); n != 0 {
		t.Errorf("%d logins to list tokens", n)
	}
}
