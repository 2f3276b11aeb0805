package hsm

import (
	"math/bits"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ssovault/internal/fault"
)

func TestAttributesOfTheManual(t *testing.T) {
	for _, c := range []struct {
		letters string
		want    Attributes
		shown   string
	}{
		{"", 0, ""},
		{"EDMX", Encrypt | Decrypt | Modifiable | Extractable, "MXED"},
		{"P", Private, "P"}, {"M", Modifiable, "M"}, {"T", Sensitive, "T"}, {"W", Wrap, "W"},
		{"w", Export, "w"}, {"I", Import, "I"}, {"U", Unwrap, "U"}, {"X", Extractable, "X"},
		{"x", Exportable, "x"}, {"R", Derive, "R"}, {"E", Encrypt, "E"}, {"D", Decrypt, "D"},
		{"S", Sign, "S"}, {"V", Verify, "V"}, {"L", SignLocalCert, "L"},
		{"LVSDERxXUIwWTMP", 1<<15 - 1, "PMTWwIUXxREDSVL"},
	} {
		got, err := ParseAttributes(c.letters)
		if err != nil || got != c.want || got.String() != c.shown {
			t.Errorf("%q: %b %q, %v; want %b %q", c.letters, got, got, err, c.want, c.shown)
		}
	}
	if s := (Private | TrustedWrapOnly | Trusted).String(); s != "P" {
		t.Errorf("what has no letter is shown as %q", s)
	}
	if TrustedWrapOnly != 1<<15 || Trusted != 1<<16 {
		t.Error("the attributes without a letter do not follow those with one")
	}
}

func TestAttributesRefused(t *testing.T) {
	for letters, want := range map[string]string{
		"EDZ": `'Z'`, "e": `'e'`, "E D": `' '`, "EDE": `'E' is given twice`, "É": `'É'`, "\xff": `'�'`,
	} {
		_, err := ParseAttributes(letters)
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", letters, err, want)
		}
	}
}

func TestAttributesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Attributes(rapid.Uint32Range(0, 1<<15-1).Draw(t, "set"))
		back, err := ParseAttributes(a.String())
		if err != nil || back != a || len(a.String()) != bits.OnesCount32(uint32(a)) {
			t.Fatalf("%b is %q is %b, %v", a, a, back, err)
		}
		b := Attributes(rapid.Uint32Range(0, 1<<15-1).Draw(t, "other"))
		if a.Has(b) != (a|b == a) {
			t.Fatalf("%v has %v: %v", a, b, a.Has(b))
		}
	})
}

func TestKeySizes(t *testing.T) {
	for _, c := range []struct {
		t    KeyType
		bits int
		want int // 0: refused
	}{
		{AES, 128, 16}, {AES, 192, 24}, {AES, 256, 32}, {AES, 64, 0}, {AES, 0, 0}, {AES, -128, 0}, {AES, 512, 0},
		{DES3, 128, 16}, {DES3, 192, 24}, {DES3, 64, 0}, {DES3, 112, 0}, {DES3, 168, 0}, {DES3, 256, 0},
		{"rsa", 128, 0},
	} {
		got, err := c.t.Size(c.bits)
		if got != c.want || (c.want == 0) != (fault.Of(err) == fault.Usage) {
			t.Errorf("%s %d: %d, %v", c.t, c.bits, got, err)
		}
	}
	for _, word := range []string{"aes", "des3"} {
		if kt, err := ParseKeyType(word); err != nil || string(kt) != word {
			t.Errorf("%s: %v", word, err)
		}
	}
	for _, word := range []string{"", "AES", "des", "rsa"} {
		if _, err := ParseKeyType(word); fault.Of(err) != fault.Usage {
			t.Errorf("%q: %v", word, err)
		}
	}
}
