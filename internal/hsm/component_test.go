package hsm

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// known is the Triple-DES component whose KCV the manual gives.
const known = "7C7FD05D37C216C19B1AD06710850176E02AC77FD3C1C84F"

func component(t testing.TB, kt KeyType, digits string) Component {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return Component{Key{kt, secret.New(b)}}
}

func TestKnownKCVs(t *testing.T) {
	for _, c := range []struct {
		t           KeyType
		digits, kcv string
	}{
		{DES3, known, "3FA7F9"},
		{DES3, strings.ToLower(known), "3FA7F9"},
		{DES3, "0123456789ABCDEFFEDCBA9876543210", "08D7B4"},
		{AES, strings.Repeat("00", 16), "66E94B"}, // FIPS 197 of zeros
		{AES, strings.Repeat("00", 32), "DC95C0"},
	} {
		got, err := component(t, c.t, c.digits).KCV()
		if err != nil || got.String() != c.kcv {
			t.Errorf("%s: %v, %v; want %s", c.digits, got, err, c.kcv)
		}
	}
	for _, k := range []Component{component(t, AES, "0011"), component(t, DES3, strings.Repeat("01", 32)), component(t, "rsa", known), component(t, DES3, "")} {
		if _, err := k.KCV(); fault.Of(err) != fault.Usage {
			t.Errorf("%s of %d bits: %v", k.Type, k.Bits(), err)
		}
	}
}

// OpenSSL encrypts the block of zeros to the same.
func TestKCVsOfOpenSSL(t *testing.T) {
	for _, c := range []struct {
		t      KeyType
		bits   int
		cipher string
	}{
		{AES, 128, "-aes-128-ecb"}, {AES, 192, "-aes-192-ecb"}, {AES, 256, "-aes-256-ecb"},
		{DES3, 128, "-des-ede-ecb"}, {DES3, 192, "-des-ede3-ecb"},
	} {
		_, key, err := Generate(c.t, c.bits, 3)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("openssl", "enc", c.cipher, "-nopad", "-K", hex.EncodeToString(key.Value.Bytes()))
		cmd.Stdin = bytes.NewReader(make([]byte, c.t.BlockSize()))
		out, err := cmd.Output()
		if err != nil || len(out) < 3 {
			t.Fatalf("openssl enc %s: %v (is openssl installed?)", c.cipher, err)
		}
		kcv, err := key.KCV()
		if err != nil || kcv != KCV(out[:3]) {
			t.Errorf("%s %d: %s, %v; OpenSSL has %X", c.t, c.bits, kcv, err, out[:3])
		}
	}
}

func TestParseKCV(t *testing.T) {
	for _, s := range []string{"3FA7F9", "3fa7f9"} {
		k, err := ParseKCV(s)
		if err != nil || k != (KCV{0x3F, 0xA7, 0xF9}) || k.String() != "3FA7F9" {
			t.Errorf("%s: %v, %v", s, k, err)
		}
		var back KCV
		text, _ := k.MarshalText()
		if err := back.UnmarshalText(text); err != nil || !back.Equal(k) || back.Equal(KCV{0x3F, 0xA7, 0xF8}) {
			t.Errorf("%s came back as %v, %v", text, back, err)
		}
	}
	for _, s := range []string{"", "3FA7F", "3FA7F99", "3FA7FG", " 3FA7F", known} {
		if _, err := ParseKCV(s); fault.Of(err) != fault.Usage || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestGenerateAndCombine(t *testing.T) {
	for _, c := range []struct {
		t       KeyType
		bits, n int
	}{{AES, 128, 2}, {AES, 256, 3}, {AES, 192, 16}, {DES3, 128, 2}, {DES3, 192, 3}} {
		components, key, err := Generate(c.t, c.bits, c.n)
		if err != nil || len(components) != c.n || key.Bits() != c.bits {
			t.Fatalf("%v: %d, %v", c, len(components), err)
		}
		if c.t == DES3 {
			for i, k := range append([]Component{{key}}, components...) {
				for _, b := range k.Value.Bytes() {
					if strings.Count(fmt.Sprintf("%b", b), "1")%2 != 1 {
						t.Errorf("%v: value %d has a byte of even parity", c, i)
					}
				}
			}
		}
		slices.Reverse(components)
		again, err := Combine(components)
		if err != nil || !again.Value.Equal(key.Value) {
			t.Errorf("%v: in another order they give another key: %v", c, err)
		}
	}
	for _, c := range []struct {
		t       KeyType
		bits, n int
	}{{AES, 256, 1}, {AES, 256, 17}, {AES, 256, -1}, {AES, 100, 2}, {"", 128, 2}} {
		if _, _, err := Generate(c.t, c.bits, c.n); fault.Of(err) != fault.Usage {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// The XOR, worked out by hand; parity of what is typed does not matter, that of
// the key is made odd.
func TestCombineByHand(t *testing.T) {
	for _, c := range []struct {
		t     KeyType
		parts []string
		want  string
	}{
		{AES, []string{"00112233445566778899AABBCCDDEEFF", "FF000000000000000000000000000000", "000000000000000000000000000000F0"}, "FF112233445566778899AABBCCDDEE0F"},
		{DES3, []string{"0123456789ABCDEFFEDCBA9876543210", "10101010101010100202020202020202"}, "1032547698BADCFEFDDFB99B75573113"},
		{DES3, []string{"0022446688AACCEEFEDCBA9876543210", "11111111111111110303030303030303"}, "1032547698BADCFEFDDFB99B75573113"},
	} {
		var parts []Component
		for _, p := range c.parts {
			parts = append(parts, component(t, c.t, p))
		}
		key, err := Combine(parts)
		if err != nil || fmt.Sprintf("%X", key.Value.Bytes()) != c.want {
			t.Errorf("%v: %X, %v; want %s", c.parts, key.Value.Bytes(), err, c.want)
		}
		for i, p := range parts {
			if fmt.Sprintf("%X", p.Value.Bytes()) != c.parts[i] {
				t.Errorf("component %d was changed", i+1)
			}
		}
	}
}

func TestCombineRefuses(t *testing.T) {
	const k1, k2, k3 = "0123456789ABCDEF", "FEDCBA9876543210", "1357913579135791"
	zeros := func(n int) string { return strings.Repeat("0", n) }
	xor := func(a, b string) string {
		var out strings.Builder
		for i := range a {
			x, _ := hexDigit(a[i])
			y, _ := hexDigit(b[i])
			fmt.Fprintf(&out, "%X", x^y)
		}
		return out.String()
	}
	for _, c := range []struct {
		name  string
		t     KeyType
		parts []string
		want  string
	}{
		{"one alone", AES, []string{zeros(31) + "1"}, "2 to 16 components"},
		{"none", AES, nil, "2 to 16 components"},
		{"too many", AES, slices.Repeat([]string{zeros(31) + "1"}, 17), "2 to 16 components"},
		{"lengths", AES, []string{zeros(31) + "1", zeros(63) + "1"}, "component 2 is aes of 256 bits"},
		{"no such length", AES, []string{zeros(16), zeros(16)}, "not 64"},
		{"twice", AES, []string{zeros(31) + "1", zeros(31) + "2", zeros(31) + "1"}, "components 1 and 3 are the same"},
		{"twice but for parity", DES3, []string{k1 + k2, xor(k1+k2, "01"+zeros(30))}, "components 1 and 2 are the same"},
		{"zeros", AES, []string{zeros(31) + "1", zeros(32)}, "component 2 is all zeros"},
		{"zeros but for parity", DES3, []string{strings.Repeat("01", 16), k1 + k2}, "component 1 is all zeros"},
		{"zeros as a key", AES, []string{zeros(31) + "1", zeros(31) + "2", zeros(31) + "3"}, "key of these components is all zeros"},
		{"K1=K2 of two", DES3, []string{k1 + k2, xor(k1+k2, k3+k3)}, "single DES"},
		{"K1=K2", DES3, []string{known, xor(known, k1+k1+k2)}, "single DES"},
		{"K2=K3", DES3, []string{known, xor(known, k2+k1+k1)}, "single DES"},
		{"a weak K3", DES3, []string{known, xor(known, k1+k2+"1FE01FE00EF10EF1")}, "weak key of DES"},
	} {
		var parts []Component
		for _, p := range c.parts {
			parts = append(parts, component(t, c.t, p))
		}
		key, err := Combine(parts)
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) || key.Value.Len() != 0 {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
	// K1=K3 is two-key Triple-DES in three: weaker than it looks, not broken.
	if _, err := Combine([]Component{component(t, DES3, known), component(t, DES3, xor(known, k1+k2+k1))}); err != nil {
		t.Errorf("K1=K3: %v", err)
	}
}

// The list of NIST SP 800-67, 3.3.2: 4 weak keys, 6 pairs of semi-weak ones.
func TestWeakKeysOfTheStandard(t *testing.T) {
	listed := map[string]bool{}
	for _, k := range strings.Fields(`0101010101010101 FEFEFEFEFEFEFEFE E0E0E0E0F1F1F1F1 1F1F1F1F0E0E0E0E
		01FE01FE01FE01FE FE01FE01FE01FE01 1FE01FE00EF10EF1 E01FE01FF10EF10E
		01E001E001F101F1 E001E001F101F101 1FFE1FFE0EFE0EFE FE1FFE1FFE0EFE0E
		011F011F010E010E 1F011F010E010E01 E0FEE0FEF1FEF1FE FEE0FEE0FEF1FEF1`) {
		listed[k] = true
		if b, _ := hex.DecodeString(k); !selfDual(b) {
			t.Errorf("%s is not recognised", k)
		}
	}
	if len(listed) != 16 {
		t.Fatalf("%d keys are listed", len(listed))
	}
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]byte{0x01, 0x1F, 0xE0, 0xFE, 0x0E, 0xF1})
		key := rapid.SliceOfN(part, 8, 8).Draw(t, "key")
		if selfDual(key) != listed[fmt.Sprintf("%X", key)] {
			t.Fatalf("%X", key)
		}
	})
}

func TestLinesRoundTrip(t *testing.T) {
	components, _, err := Generate(DES3, 192, 3)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, c := range components {
		lines, err := c.Lines()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lines.Bytes()...)
	}
	for name, text := range map[string][]byte{
		"as written": all, "without the last newline": all[:len(all)-1], "of Windows": bytes.ReplaceAll(all, []byte("\n"), []byte("\r\n")),
		"lower case": bytes.ToLower(all),
	} {
		back, err := ParseLines(DES3, 192, text)
		if err != nil || len(back) != 3 {
			t.Fatalf("%s: %d, %v", name, len(back), err)
		}
		for i := range back {
			if !back[i].Value.Equal(components[i].Value) {
				t.Errorf("%s: component %d is another", name, i+1)
			}
		}
	}
}

func TestLinesRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "line 1: nothing was typed"},
		{"no KCV", known + "\n", "line 2: the KCV of the component on line 1 is missing"},
		{"wrong KCV", known + "\n3FA7F8\n", "line 2, the KCV of the component on line 1: the KCV of what was entered is 3FA7F9, not 3FA7F8"},
		{"one digit wrong", "8" + known[1:] + "\n3FA7F9\n", "not 3FA7F9"},
		{"swapped lines", "3FA7F9\n" + known + "\n", "line 1: 6 digits are not the 48"},
		{"KCV form", known + "\n3FA7F\n", "six hexadecimal digits"},
		{"short", known[2:] + "\n3FA7F9\n", "line 1: 46 digits are not the 48"},
		{"long", known + "0\n3FA7F9\n", "line 1: there are more than the 48 digits"},
		{"not hex", known[:12] + "G" + known[13:] + "\n3FA7F9\n", "line 1: digit 13 (block 2) is not a hexadecimal digit"},
		{"two components", known + "\n" + known + "\n", "line 2, the KCV of the component on line 1: a KCV is six"},
		{"blank between", known + "\n3FA7F9\n\n" + known + "\n3FA7F9\n", "line 3: nothing was typed"},
		{"too many", strings.Repeat(known+"\n3FA7F9\n", 17), "line 33: more than 16 components"},
		{"a file", strings.Repeat("x", MaxLines+1), "are no components"},
		{"a long line", strings.Repeat("0 ", maxLine), "is no component"},
	} {
		got, err := ParseLines(DES3, 192, []byte(c.text))
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), known[4:12]) {
			t.Errorf("%s: the error gives the component away: %v", c.name, err)
		}
	}
}

// What parses is what Lines would write, and fits its KCVs.
func FuzzParseLines(f *testing.F) {
	f.Add([]byte(known + "\n3FA7F9\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		components, err := ParseLines(DES3, 192, b)
		if err != nil {
			if fault.Of(err) != fault.Usage || components != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		var again []byte
		for _, c := range components {
			lines, err := c.Lines()
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, lines.Bytes()...)
		}
		back, err := ParseLines(DES3, 192, again)
		if err != nil || len(back) != len(components) {
			t.Fatalf("%d components came back as %d, %v", len(components), len(back), err)
		}
		for i := range back {
			if !back[i].Value.Equal(components[i].Value) {
				t.Fatalf("component %d came back as another", i+1)
			}
		}
	})
}
