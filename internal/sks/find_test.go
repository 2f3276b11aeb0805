package sks

import (
	"strings"
	"testing"
)

func TestFindToken(t *testing.T) {
	tokens := []Token{
		{Slot: 0, Label: "one", Serial: "1111", Initialised: true, UserPINSet: true},
		{Slot: 1, Label: "twice", Serial: "2222", Initialised: true, UserPINSet: true},
		{Slot: 2, Label: "twice", Serial: "3333", Initialised: true, UserPINSet: true},
		{Slot: 3, Label: "no PIN", Serial: "4444", Initialised: true},
		{Slot: 4},
	}
	for name, want := range map[string]string{
		"0": "1111", "one": "1111", " one ": "1111", "1111": "1111", "3333": "3333",
		"": "is needed", "none": "no slot number", "twice": "several tokens", "3": "no user PIN", "4": "not initialised",
	} {
		got, err := FindToken(tokens, name)
		if err == nil && got.Serial != want || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", name, got, err, want)
		}
	}
	if _, err := FindToken(nil, "0"); err == nil || !strings.Contains(err.Error(), "no token at all") {
		t.Errorf("%v", err)
	}
}

func TestVendorOf(t *testing.T) {
	for _, c := range []struct{ library, manufacturer, want string }{
		{"/usr/safenet/lunaclient/lib/libCryptoki2_64.so", "", Luna},
		{"/usr/lib/softhsm/libsofthsm2.so", "", SoftHSM},
		{"/somewhere/module.so", "SoftHSM project", SoftHSM},
		{"/somewhere/module.so", "ACME", Other},
	} {
		if got := VendorOf(c.library, Token{Manufacturer: c.manufacturer}).Name; got != c.want {
			t.Errorf("%s of %q is %s, want %s", c.library, c.manufacturer, got, c.want)
		}
	}
}
