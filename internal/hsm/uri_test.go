package hsm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
)

func slot(n uint) *uint { return &n }

func TestURIs(t *testing.T) {
	for _, c := range []struct {
		uri       string
		want      URI
		canonical string // "": the same
	}{
		{"pkcs11:", URI{}, ""},
		{"pkcs11:token=sso", URI{Token: "sso"}, ""},
		{"pkcs11:serial=0123456789abcdef;token=My%20Token", URI{Token: "My Token", Serial: "0123456789abcdef"}, "pkcs11:token=My%20Token;serial=0123456789abcdef"},
		// As p11tool --list-tokens prints it.
		{"pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=5c2f2a3d1b0e9f77;token=a%3Bb",
			URI{Token: "a;b", Manufacturer: "SoftHSM project", Model: "SoftHSM v2", Serial: "5c2f2a3d1b0e9f77"},
			"pkcs11:token=a%3Bb;manufacturer=SoftHSM%20project;model=SoftHSM%20v2;serial=5c2f2a3d1b0e9f77"},
		{"pkcs11:slot-id=0", URI{SlotID: slot(0)}, ""},
		{"pkcs11:slot-id=18446744073709551615", URI{SlotID: slot(1<<64 - 1)}, ""},
		{"pkcs11:object=k%C3%A9y;id=%00%ffA;type=secret-key", URI{Object: "kéy", ID: []byte{0, 0xff, 'A'}, Type: "secret-key"}, "pkcs11:object=k%C3%A9y;id=%00%FF%41;type=secret-key"},
		{"pkcs11:token=sso?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/sso/pin",
			URI{Token: "sso", ModulePath: "/usr/lib/softhsm/libsofthsm2.so", PINSource: pin.Source{Kind: pin.KindFile, Arg: "/etc/sso/pin"}}, ""},
		{"pkcs11:?pin-source=/etc/sso/pin", URI{PINSource: pin.Source{Kind: pin.KindFile, Arg: "/etc/sso/pin"}}, "pkcs11:?pin-source=file:/etc/sso/pin"},
		{"pkcs11:?pin-source=file:///etc/a%20pin", URI{PINSource: pin.Source{Kind: pin.KindFile, Arg: "/etc/a pin"}}, "pkcs11:?pin-source=file:/etc/a%20pin"},
		{"pkcs11:?pin-source=credential:hsm", URI{PINSource: pin.Source{Kind: pin.KindCredential, Arg: "hsm"}}, ""},
		{"pkcs11:?pin-source=prompt", URI{PINSource: pin.Source{Kind: pin.KindPrompt}}, ""},
		{"pkcs11:x-acme-zone=b;token=sso?x-acme=a/b%26", URI{Token: "sso", Vendor: []VendorAttribute{{"x-acme-zone", "b", false}, {"x-acme", "a/b&", true}}}, "pkcs11:token=sso;x-acme-zone=b?x-acme=a/b%26"},
		{"pkcs11:token=a:[]@!$'()*+,=&b", URI{Token: "a:[]@!$'()*+,=&b"}, "pkcs11:token=a:%5B%5D@%21%24%27%28%29%2A+,%3D%26b"},
	} {
		got, err := ParseURI(c.uri)
		if err != nil {
			t.Errorf("%s: %v", c.uri, err)
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.uri, d)
		}
		want := c.canonical
		if want == "" {
			want = c.uri
		}
		if s := got.String(); s != want {
			t.Errorf("%s is written %s, want %s", c.uri, s, want)
		}
	}
}

func TestURIsRefused(t *testing.T) {
	for _, c := range []struct{ uri, want string }{
		{"", "begins with"}, {"sso", "begins with"}, {"PKCS11:token=a", "begins with"}, {"pkcs12:token=a", "begins with"},
		{"pkcs11:" + strings.Repeat("x", maxURI), "is longer than"},
		{"pkcs11:token=a?pin-value=geheim99", "a PIN does not belong into a URI"},
		{"pkcs11:token=a;pin-value=geheim99", "a PIN does not belong into a URI"},
		{"pkcs11:token=a;geheim99", "attribute 2 is not of that form"},
		{"pkcs11:token", "attribute 1 is not of that form"},
		{"pkcs11:token=a;", "attribute 2"}, {"pkcs11:;token=a", "attribute 1"}, {"pkcs11:token=a?", "attribute 2"},
		{"pkcs11:to ken=geheim99", "attribute 1"},
		{"pkcs11:tokne=a", "tokne is no attribute"},
		{"pkcs11:Token=a", "Token is no attribute"},
		{"pkcs11:acme=a", "acme is no attribute"},
		{"pkcs11:library-version=1", "library-version is refused"},
		{"pkcs11:slot-description=1", "slot-description is refused"},
		{"pkcs11:?module-name=softhsm2", "named by its whole path"},
		{"pkcs11:token=a;token=a", "token stands twice"},
		{"pkcs11:x-a=1?x-a=1", "x-a stands twice"},
		{"pkcs11:module-path=%2Flib", "module-path stands behind the '?'"},
		{"pkcs11:?token=a", "token stands before the '?'"},
		{"pkcs11:token=", "token of the token URI is empty"},
		{"pkcs11:token=" + strings.Repeat("x", 33), "33 bytes; it has 32"},
		{"pkcs11:serial=" + strings.Repeat("x", 17), "17 bytes; it has 16"},
		{"pkcs11:object=" + strings.Repeat("x", 256), "256 bytes; it has 255"},
		{"pkcs11:id=" + strings.Repeat("%00", 256), "256 bytes; it has 255"},
		{"pkcs11:token=a b", "byte 2 must be escaped"}, {"pkcs11:token=a/b", "byte 2 must be escaped"}, {"pkcs11:token=é", "byte 1 must be escaped"},
		{"pkcs11:?module-path=/lib&pin-source=/a#b", "byte 3 must be escaped"},
		{"pkcs11:token=a%", "byte 2: %"}, {"pkcs11:token=a%2", "byte 2: %"}, {"pkcs11:token=%G0", "byte 1: %"}, {"pkcs11:token=%0G", "byte 1: %"},
		{"pkcs11:token=a%0Ab", "does not print"}, {"pkcs11:token=%FF", "does not print"}, {"pkcs11:object=%00", "does not print"},
		{"pkcs11:slot-id=-1", "not a slot number"}, {"pkcs11:slot-id=01", "not a slot number"}, {"pkcs11:slot-id=18446744073709551616", "not a slot number"},
		{"pkcs11:type=secret", "secret-key"},
		{"pkcs11:?module-path=lib.so", "absolute path"}, {"pkcs11:?module-path=/a/../lib.so", "absolute path"}, {"pkcs11:?module-path=/a%00", "absolute path"},
		{"pkcs11:?pin-source=|/usr/bin/pin", "names no program"}, {"pkcs11:?pin-source=%7Cpin", "names no program"}, {"pkcs11:?pin-source=command:/usr/bin/pin", "names no program"},
		{"pkcs11:?pin-source=file:pin", "absolute path"}, {"pkcs11:?pin-source=file", "absolute path"}, {"pkcs11:?pin-source=file://host/pin", "another host"},
		{"pkcs11:?pin-source=geheim99", "it is /PATH"}, {"pkcs11:?pin-source=fd:x", "it is /PATH"}, {"pkcs11:?pin-source=env:A%0A", "does not print"},
	} {
		got, err := ParseURI(c.uri)
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %v; want %q", c.uri, err, c.want)
			continue
		}
		if strings.Contains(err.Error()+fault.HintFor(err), "geheim99") {
			t.Errorf("%s: the error repeats a value: %v", c.uri, err)
		}
		if d := cmp.Diff(URI{}, got); d != "" {
			t.Errorf("%.60s: something was given beside the error: %s", c.uri, d)
		}
	}
	if _, err := ParseURI("pkcs11:?pin-value=1"); !strings.Contains(fault.HintFor(err), "pin-source=file:PATH") {
		t.Errorf("the remedy for a PIN in a URI: %s", fault.HintFor(err))
	}
	if _, err := ParseURI("pkcs11:?pin-source=|x"); !strings.Contains(fault.HintFor(err), "--pin-source command:") {
		t.Errorf("the remedy for a program in a URI: %s", fault.HintFor(err))
	}
}

func TestURIMatches(t *testing.T) {
	token := sks.Token{Slot: 3, Label: "sso", Serial: "77", Manufacturer: "SoftHSM project", Model: "SoftHSM v2"}
	for uri, want := range map[string]bool{
		"pkcs11:": true, "pkcs11:token=sso": true, "pkcs11:token=sso;serial=77;slot-id=3;model=SoftHSM%20v2;manufacturer=SoftHSM%20project": true,
		"pkcs11:object=k?module-path=/lib": true, "pkcs11:token=SSO": false, "pkcs11:token=sso;serial=78": false, "pkcs11:slot-id=0": false,
		"pkcs11:model=v2": false, "pkcs11:manufacturer=x;token=sso": false,
	} {
		u, err := ParseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		if u.Matches(token) != want {
			t.Errorf("%s: %v", uri, !want)
		}
		if names := !strings.HasPrefix(uri, "pkcs11:object") && uri != "pkcs11:"; u.NamesToken() != names {
			t.Errorf("%s names a token: %v", uri, !names)
		}
	}
}

func TestEscapeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := string(rapid.SliceOf(rapid.Byte()).Draw(t, "value"))
		query, binary := rapid.Bool().Draw(t, "query"), rapid.Bool().Draw(t, "binary")
		back, err := unescape(escape(value, query, binary), query)
		if err != nil || back != value {
			t.Fatalf("%q came back as %q, %v", value, back, err)
		}
	})
}

// What parses is written in one way, which parses to the same.
func FuzzParseURI(f *testing.F) {
	f.Add("pkcs11:token=My%20Token;serial=0123;slot-id=7;object=k;id=%00%01;type=secret-key?module-path=/usr/lib/p.so&pin-source=file:/etc/pin")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			if fault.Of(err) != fault.Usage {
				t.Fatalf("cause of %v", err)
			}
			return
		}
		canonical := u.String()
		again, err := ParseURI(canonical)
		if err != nil && len(canonical) <= maxURI { // escaped, it may be longer than was read
			t.Fatalf("%q is written %q, which does not parse: %v", s, canonical, err)
		}
		if err != nil {
			return
		}
		if d := cmp.Diff(u, again); d != "" || again.String() != canonical {
			t.Fatalf("%q is written %q: %s", s, canonical, d)
		}
	})
}
