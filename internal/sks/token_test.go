package sks_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

func TestTriesAreSaidAsClauses(t *testing.T) {
	for tries, want := range map[sks.Tries]string{
		sks.TriesUnknown: "does not say",
		sks.TriesLow:     "refused since",
		sks.TriesFinal:   "one more",
		sks.TriesLocked:  "locked",
		"another":        "does not say",
	} {
		if got := tries.String(); !strings.Contains(got, want) {
			t.Errorf("%q is said as %q", string(tries), got)
		}
	}
}

func TestRefusedSaysWhatIsLeft(t *testing.T) {
	refusal := fault.New(fault.PINRefused, "CKR_PIN_INCORRECT")
	for _, c := range []struct {
		role  sks.Role
		tries sks.Tries
		cause fault.Cause
		hint  string
	}{
		{sks.RoleUser, sks.TriesUnknown, fault.PINRefused, "its source keeps it"},
		{sks.RoleUser, sks.TriesLow, fault.PINRefused, "its source keeps it"},
		{sks.RoleUser, sks.TriesFinal, fault.PINRefused, "before it is tried again"},
		{sks.RoleUser, sks.TriesLocked, fault.PINLocked, "hsm pin reset"},
		{sks.RoleSO, sks.TriesLocked, fault.PINLocked, "softhsm2-util --delete-token"},
	} {
		err := sks.Refused(refusal, c.role, c.tries)
		if fault.Of(err) != c.cause || !errors.Is(err, refusal) || !strings.Contains(err.Error(), c.tries.String()) || !strings.Contains(fault.HintFor(err), c.hint) {
			t.Errorf("%s, %q: %v, %q", c.role, c.tries, err, fault.HintFor(err))
		}
	}
}

// Which PIN is locked is said, and what helps against that one.
func TestLockedSaysWhose(t *testing.T) {
	locked := fault.New(fault.PINLocked, "CKR_PIN_LOCKED")
	for role, c := range map[sks.Role]struct{ whose, hint string }{
		sks.RoleUser: {"the user PIN is locked", "hsm pin reset"},
		sks.RoleSO:   {"the security officer's PIN is locked", "ctconf -d"},
	} {
		err := sks.MayLogIn(sks.Access{Role: role}, sks.Token{Label: "one", Tries: sks.TriesLocked, UserPINSet: true})
		said := sks.Refused(locked, role, sks.TriesUnknown) // a token without the flag
		if fault.Of(err) != fault.PINLocked || !strings.Contains(err.Error(), c.whose) || !strings.Contains(fault.HintFor(err), c.hint) || fault.HintFor(said) != fault.HintFor(err) {
			t.Errorf("%s: %v, %q; %q", role, err, fault.HintFor(err), fault.HintFor(said))
		}
	}
}

func TestTokenIsNamed(t *testing.T) {
	got := sks.Token{Label: "Partition 1", Serial: "4711", Slot: 3}.String()
	if want := "Partition 1 (serial 4711, slot 3)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestKeyIDHasOneSpelling(t *testing.T) {
	id := sks.NewKeyID()
	if id == sks.NewKeyID() || id == (sks.KeyID{}) {
		t.Error("ids repeat")
	}
	if got, err := sks.ParseKeyID(id.String()); err != nil || got != id {
		t.Errorf("%s is read as %s, %v", id, got, err)
	}
	b, err := json.Marshal(id)
	if err != nil || string(b) != `"`+id.String()+`"` {
		t.Errorf("JSON %s, %v", b, err)
	}
	var back sks.KeyID
	if err := json.Unmarshal(b, &back); err != nil || back != id {
		t.Errorf("JSON %s is read as %s, %v", b, back, err)
	}
	good := "00112233445566778899aabbccddeeff"
	for _, bad := range []string{"", good[2:], good + "00", strings.ToUpper(good), "zz" + good[2:], good[:31]} {
		if id, err := sks.ParseKeyID(bad); err == nil {
			t.Errorf("%q is read as %s", bad, id)
		}
	}
}

func TestMarkIsChecked(t *testing.T) {
	good := sks.Mark{Generation: 1, SaveID: "00112233445566778899aabbccddeeff"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, bad := range []sks.Mark{{}, {Generation: 1}, {SaveID: good.SaveID}, {Generation: 1, SaveID: good.SaveID + "0"}} {
		if bad.Check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestVendors(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range sks.Vendors() {
		if seen[v.Name] {
			t.Errorf("%s is there twice", v.Name)
		}
		seen[v.Name] = true
		if sks.VendorNamed(v.Name).Name != v.Name {
			t.Errorf("%s is not found", v.Name)
		}
		for _, l := range v.Libraries {
			if !filepath.IsAbs(l) {
				t.Errorf("%s: %s is no absolute path", v.Name, l)
			}
		}
	}
	if got := sks.VendorNamed("unheard of").Name; got != sks.Other {
		t.Errorf("an unknown type is %s", got)
	}
	if !sks.VendorNamed(sks.SoftHSM).Serialise || sks.VendorNamed(sks.Luna).Serialise {
		t.Error("SoftHSM alone is serialised")
	}
}
