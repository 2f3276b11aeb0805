package hsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

const vectors = "../../testdata/vectors/"

// exportVector is a frozen file: what every version from 1 on must read.
type exportVector struct {
	Exported
	file    string
	key     string // in the clear
	wrapper Key
	openssl []string // how OpenSSL unwraps it
}

func exportVectors(t testing.TB) []exportVector {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kcv := func(k Key) KCV {
		v, err := k.KCV()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	aes := Key{AES, secret.New(bytes.Repeat([]byte{0x42}, 32))}
	des := component(t, DES3, known).Key
	all := []exportVector{
		{
			Exported: Exported{Mechanism: KWP, Type: AES, Bits: 256, Label: "SSO Vault Properties 123456789012",
				Attributes: Private | Sensitive | Encrypt | Decrypt, WrapperLabel: "WRAP é",
				Wrapped: unhex("cbdfbd807415d427d8a7b5753bb73f044322b145f8faed72d556f85a2e6d88a0d7fa17666ad9a67f")},
			file: "exported-kwp.key", key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", wrapper: aes,
			openssl: []string{"-id-aes256-wrap-pad", "-iv", "A65959A6"},
		}, {
			Exported: Exported{Mechanism: KW, Type: DES3, Bits: 192, Label: "x", WrapperLabel: "y",
				Wrapped: unhex("5817ef5f019be5f3d95c40eeccc5d1a4bd26227f9fd48769f7858bc9c52d5759")},
			file: "exported-kw.key", key: known, wrapper: aes,
			openssl: []string{"-id-aes256-wrap", "-iv", "A6A6A6A6A6A6A6A6"},
		}, {
			Exported: Exported{Mechanism: DES3ECB, Type: AES, Bits: 128, Label: strings.Repeat("l", 255), Attributes: 1<<15 - 1,
				WrapperLabel: strings.Repeat("w", 255), Wrapped: unhex("1d34f2bab0bb8b5069506f568efafa66")},
			file: "exported-legacy.key", key: "000102030405060708090a0b0c0d0e0f", wrapper: des,
			openssl: []string{"-des-ede3-ecb", "-nopad"},
		},
	}
	for i := range all {
		v := &all[i]
		v.KCV, v.WrapperKCV = kcv(Key{v.Type, secret.New(unhex(v.key))}), kcv(v.wrapper)
	}
	return all
}

func (v exportVector) encode(t testing.TB) []byte {
	t.Helper()
	b, err := v.Encode()
	if err != nil {
		t.Fatalf("%s: %v", v.file, err)
	}
	return b
}

func TestExportedVectors(t *testing.T) {
	for _, v := range exportVectors(t) {
		b := v.encode(t)
		golden(t, vectors+v.file, b)
		got, err := ParseExported(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(v.Exported, got); d != "" {
			t.Errorf("%s: %s", v.file, d)
		}
		// OpenSSL takes the key out of it.
		cmd := exec.Command("openssl", append([]string{"enc", "-d", "-K", hex.EncodeToString(v.wrapper.Value.Bytes())}, v.openssl...)...)
		cmd.Stdin = bytes.NewReader(got.Wrapped)
		out, err := cmd.Output()
		if err != nil || !strings.EqualFold(hex.EncodeToString(out), v.key) {
			t.Errorf("%s: OpenSSL unwraps %x, %v", v.file, out, err)
		}
		if unwrapped, err := (Key{v.Type, secret.New(out)}).KCV(); err != nil || !unwrapped.Equal(got.KCV) {
			t.Errorf("%s: the KCV is %s, %v; the file has %s", v.file, unwrapped, err, got.KCV)
		}
	}
}

func TestExportedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := Exported{
			Mechanism: rapid.SampledFrom([]Mechanism{KWP, KW, DES3ECB}).Draw(t, "mechanism"),
			Type:      rapid.SampledFrom([]KeyType{AES, DES3}).Draw(t, "type"), Bits: rapid.SampledFrom([]int{128, 192}).Draw(t, "bits"),
			Label:      rapid.StringMatching(`[ -~é鍵]{1,80}`).Draw(t, "label"),
			Attributes: Attributes(rapid.Uint32Range(0, 1<<15-1).Draw(t, "attributes")), WrapperLabel: "w",
		}
		copy(x.KCV[:], rapid.SliceOfN(rapid.Byte(), 3, 3).Draw(t, "kcv"))
		n, err := x.Mechanism.size(x.Bits / 8)
		if err != nil {
			t.Fatal(err)
		}
		x.Wrapped = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "wrapped")
		b, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseExported(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(x, got); d != "" {
			t.Fatal(d)
		}
	})
}

func TestExportedEveryBitFlipAndTruncation(t *testing.T) {
	for _, v := range exportVectors(t)[:2] {
		good := v.encode(t)
		refused := func(b []byte, what string, at int) {
			t.Helper()
			x, err := ParseExported(b)
			if c := fault.Of(err); c != fault.Tampered && c != fault.Malformed || x.Wrapped != nil {
				t.Fatalf("%s: %s at %d: %v", v.file, what, at, err)
			}
		}
		for i := range good {
			for bit := range 8 {
				b := bytes.Clone(good)
				b[i] ^= 1 << bit
				refused(b, "flipped bit", i*8+bit)
			}
			refused(good[:i], "cut", i)
			refused(append(bytes.Clone(good[:i]), good[i+1:]...), "left out", i)
		}
		for add := range 256 {
			refused(append(bytes.Clone(good), byte(add)), "appended", add)
		}
	}
}

// redigest makes the digest fit, as whoever alters a file on purpose can.
func redigest(s string) []byte {
	return fmt.Appendf(nil, "%s%s%x\n", s, digestName, sha256.Sum256([]byte(s)))
}

// With a right digest, what is wrong with the fields is said.
func TestExportedMalformed(t *testing.T) {
	good := string(exportVectors(t)[0].encode(t))
	good = good[:strings.Index(good, digestName)]
	for _, c := range []struct{ name, old, new, want string }{
		{"newer", "key 1", "key 2", "written by a newer version"},
		{"no version", "key 1", "key 01", "names no version"},
		{"not ours", "ssovault", "otherone", "not an exported key"},
		{"mechanism", "aes-kwp", "rsa-oaep", "unknown mechanism"},
		{"type", "type: aes", "type: rsa", "no type of key"},
		{"bits form", "bits: 256", "bits: +256", "is no number"},
		{"bits", "bits: 256", "bits: 512", "128, 192 or 256 bits"},
		{"other bits", "bits: 256", "bits: 128", "40 bytes of a wrapped key that has 24"},
		{"other mechanism", "aes-kwp", "des3-ecb", "40 bytes of a wrapped key that has 32"},
		{"label", "label: SSO", "label: \x1b[2J", "does not print"},
		{"no label", "label: SSO Vault Properties 123456789012", "label: ", "1 to 255"},
		{"letters", "PTED", "PTEZ", `'Z' is no letter`},
		{"letters in another order", "PTED", "TPED", "not in the order"},
		{"letters twice", "PTED", "PTEE", "twice"},
		{"no letters", "PTED", "", "not in the order"},
		{"kcv", "\nkcv: ", "\nkcv: 0", "six hexadecimal digits"},
		{"kcv case", "wrapper-kcv: ", "wrapper-kcv: aaaaaa\nx: ", "not upper-case"},
		{"wrapper label", "wrapper-label: WRAP", "wrapper-label: \t", "does not print"},
		{"missing field", "mechanism: aes-kwp\n", "", `is not the field "mechanism"`},
		{"twice", "key-type: aes\n", "key-type: aes\nkey-type: aes\n", `is not the field "key-bits"`},
		{"another field", "\n\n", "\nextra: 1\n\n", "more fields"},
		{"no end", "\n\n", "\n", "no end"},
		{"crlf", "key-type: aes\n", "key-type: aes\r\n", "no type of key"},
		{"base64", "\n\n", "\n\n!", "not in lines of 64"},
		{"blank line", "\n\n", "\n\n\n", "not in lines of 64"},
		{"url alphabet", "\n\n", "\n\n_-_-", "not in lines of 64"},
		{"short line", "\n\ny9+9", "\n\ny9+\n9", "not in lines of 64"},
		{"too long", "\n\n", "\n\nAAAA", "43 bytes of a wrapped key"},
	} {
		bad := strings.Replace(good, c.old, c.new, 1)
		if bad == good {
			t.Fatalf("%s: %q is not there", c.name, c.old)
		}
		_, err := ParseExported(redigest(bad))
		if fault.Of(err) != fault.Malformed || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
		if !strings.Contains(c.want, "version") && c.name != "not ours" && fault.HintFor(err) != damagedExport {
			t.Errorf("%s: the remedy is %s", c.name, fault.HintFor(err))
		}
	}
	if _, err := ParseExported([]byte(strings.ReplaceAll(good, "\n", "\r\n"))); fault.Of(err) != fault.Malformed || !strings.Contains(err.Error(), "line ends were changed on the way") {
		t.Errorf("all line ends: %v", err)
	}
	if _, err := ParseExported(make([]byte, MaxExported+1)); fault.Of(err) != fault.Malformed {
		t.Errorf("too large: %v", err)
	}
}

func TestExportedRefusesToWrite(t *testing.T) {
	for name, change := range map[string]func(*Exported){
		"label":     func(x *Exported) { x.Label = "two\nlines" },
		"wrapper":   func(x *Exported) { x.WrapperLabel = "" },
		"mechanism": func(x *Exported) { x.Mechanism = "rsa" },
		"length":    func(x *Exported) { x.Wrapped = x.Wrapped[:32] },
		"bits":      func(x *Exported) { x.Bits = 0 },
		"type":      func(x *Exported) { x.Type = "" },
	} {
		x := exportVectors(t)[0].Exported
		change(&x)
		if b, err := x.Encode(); err == nil || b != nil {
			t.Errorf("%s: %q", name, b)
		}
	}
	// What has no letter is not written.
	x := exportVectors(t)[0].Exported
	x.Attributes = TrustedWrapOnly
	b, err := x.Encode()
	if err != nil || !bytes.Contains(b, []byte("attributes: none\n")) {
		t.Errorf("%s, %v", b, err)
	}
}

// What parses is written again to the same bytes.
func FuzzParseExported(f *testing.F) {
	for _, v := range exportVectors(f) {
		f.Add(v.encode(f), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		if i := bytes.LastIndex(b, []byte(digestName)); fix && i >= 0 {
			b = redigest(string(b[:i]))
		}
		x, err := ParseExported(b)
		if err != nil {
			if c := fault.Of(err); c != fault.Malformed && c != fault.Tampered {
				t.Fatalf("cause of %v", err)
			}
			return
		}
		again, err := x.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("not canonical: %v", err)
		}
	})
}

// The bits of a key can be told from how long it is when it is wrapped.
func TestKeyBitsOfAWrappedKey(t *testing.T) {
	for how, overhead := range map[Mechanism]int{KWP: 8, KW: 8, DES3ECB: 0} {
		for _, size := range []int{16, 24, 32} {
			if got := how.KeyBits(size + overhead); got != 8*size {
				t.Errorf("%s: %d bytes are a key of %d bits", how, size+overhead, got)
			}
		}
		if got := how.KeyBits(0); got != 0 {
			t.Errorf("%s: nothing is a key of %d bits", how, got)
		}
	}
	if got := Mechanism("rsa").KeyBits(384); got != 0 {
		t.Errorf("an unknown wrap is of a key of %d bits", got)
	}
}
