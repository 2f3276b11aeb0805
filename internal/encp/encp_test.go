package encp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

var update = flag.Bool("update", false, "write the frozen vectors anew")

// vectorKey is the software key of the frozen vectors.
var vectorKey = bytes.Repeat([]byte{0x42}, 32)

const vectors = "../../testdata/vectors"

func header(kind Kind) Header {
	h := Header{
		File: kind, Instance: "123456789012", Generation: 7, SaveID: strings.Repeat("0a", 16),
		Time: time.Date(2026, 11, 21, 23, 22, 52, 0, time.UTC), KeyLabel: "SSO Vault Properties 123456789012",
		KeyID: sks.KeyID{1, 2, 3}, IV: sks.IVCaller,
	}
	if kind == Shared {
		h.KeyStore = Bound{"sso_keystore.jks", [32]byte{1}}
		h.Metadata = Bound{"idp_metadata.xml", [32]byte{2}}
	}
	return h
}

// seal makes a sealed file with a software key and a fixed IV: a vector must
// come out the same every time. Only tests choose an IV.
func seal(t testing.TB, h Header, text string) []byte {
	t.Helper()
	block, err := aes.NewCipher(vectorKey)
	if err != nil {
		t.Fatal(err)
	}
	iv := bytes.Repeat([]byte{byte(len(text))}, h.IV.IVSize())
	gcm, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		t.Fatal(err)
	}
	h.BodyLength = len(text) + h.IV.Overhead()
	aad, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sealed := gcm.Seal(nil, iv, []byte(text), aad)
	if h.IV == sks.IVCaller {
		return Join(aad, append(iv, sealed...))
	}
	return Join(aad, append(sealed, iv...))
}

// frozen are the vectors: what every version from 1 on must open.
func frozen(t testing.TB) map[string][]byte {
	appended, written := header(Instance), header(Shared)
	appended.IV, written.IV = sks.IVAppended, sks.IVWritten
	written.KeyStore, written.Metadata = Bound{}, Bound{}
	return map[string][]byte{
		"instance.encp":          seal(t, header(Instance), "instance_number=123456789012\n"),
		"shared.encp":            seal(t, header(Shared), "sso_domain=example.com\nname=Zo\\u00EB\n"),
		"empty.encp":             seal(t, header(Instance), ""),
		"appended-instance.encp": seal(t, appended, "a=1\n"),
		"written-shared.encp":    seal(t, written, "b=2\n"),
	}
}

func TestFrozenVectors(t *testing.T) {
	for name, made := range frozen(t) {
		path := filepath.Join(vectors, name)
		if *update {
			if err := os.WriteFile(path, made, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(kept, made) {
			t.Errorf("%s: the format has changed", name)
		}
		if _, err := Parse(kept); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A reader in another language, which shares no line with this one, opens the
// vectors to the same bytes and refuses damaged ones.
func TestIndependentReader(t *testing.T) {
	java := func(args ...string) (string, error) {
		cmd := exec.Command("java", append([]string{"../../testdata/EncpReader.java"}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = errors.New(stderr.String())
		}
		return string(out), err
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Fatal("java is missing: install default-jdk-headless")
	}
	args := []string{hex.EncodeToString(vectorKey)}
	want := ""
	for _, v := range []struct{ name, text string }{
		{"instance.encp", "instance_number=123456789012\n"}, {"shared.encp", "sso_domain=example.com\nname=Zo\\u00EB\n"},
		{"empty.encp", ""}, {"appended-instance.encp", "a=1\n"}, {"written-shared.encp", "b=2\n"},
	} {
		args = append(args, filepath.Join(vectors, v.name))
		want += v.text
	}
	got, err := java(args...)
	if err != nil || got != want {
		t.Errorf("it read %q, %v; want %q", got, err, want)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.encp")
	b := frozen(t)["shared.encp"]
	b[len(b)-40] ^= 1
	if err := os.WriteFile(damaged, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := java(args[0], damaged); err == nil || !strings.Contains(err.Error(), "digest") {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	for name, file := range frozen(t) {
		f, err := Parse(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		aad, err := f.Header.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(aad, f.AAD) || !bytes.Equal(Join(aad, f.Body), file) {
			t.Errorf("%s re-encodes to other bytes", name)
		}
	}
	f, _ := Parse(frozen(t)["shared.encp"])
	want := header(Shared)
	want.BodyLength = f.BodyLength
	if d := cmp.Diff(want, f.Header); d != "" {
		t.Error(d)
	}
}

func TestEveryBitFlipAndTruncation(t *testing.T) {
	for _, name := range []string{"instance.encp", "shared.encp", "empty.encp"} {
		good := frozen(t)[name]
		refused := func(b []byte, what string, at int) {
			t.Helper()
			_, err := Parse(b)
			if c := fault.Of(err); c != fault.Tampered && c != fault.Malformed {
				t.Fatalf("%s: %s at %d: %v", name, what, at, err)
			}
		}
		for i := range good {
			for bit := range 8 {
				b := bytes.Clone(good)
				b[i] ^= 1 << bit
				refused(b, "flipped bit", i*8+bit)
			}
			refused(good[:i], "cut", i)
		}
		for add := range 256 {
			refused(append(bytes.Clone(good), byte(add)), "appended", add)
		}
	}
}

// With a right digest, what is wrong with the header is said.
func TestMalformed(t *testing.T) {
	good := frozen(t)["shared.encp"]
	rejoin := func(change func(string) string) []byte {
		head, rest, _ := bytes.Cut(good, []byte("\n\n"))
		return Join([]byte(change(string(head))+"\n\n"), rest[:len(rest)-32])
	}
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for _, c := range []struct {
		name   string
		change func(string) string
		want   string
	}{
		{"newer", replace("file 1", "file 2"), "written by a newer version"},
		{"leading zero version", replace("file 1", "file 01"), "names no version"},
		{"not ours", replace("ssovault", "otherone"), "not a sealed file"},
		{"kind", replace("file: shared", "file: other"), "neither instance nor shared"},
		{"instance", replace("123456789012", "12345678901x"), "not 12 digits"},
		{"generation zero", replace("generation: 7", "generation: 0"), "not a number from 1"},
		{"generation form", replace("generation: 7", "generation: +7"), "not a number from 1"},
		{"generation overflow", replace("generation: 7", "generation: 99999999999999999999"), "not a number from 1"},
		{"save-id case", replace("0a0a", "0A0a"), "hexadecimal"},
		{"time", replace("2026-11-21T", "2026-13-21T"), "time"},
		{"time fraction", replace("52Z", "52.0Z"), "time"},
		{"cipher", replace("AES-256-GCM", "AES-128-GCM"), "unknown cipher"},
		{"label control", replace("Properties 1", "Properties\t1"), "does not print"},
		{"key id", replace("key-id: 0", "key-id: G"), "hexadecimal"},
		{"iv", replace("iv: caller", "iv: guess"), "unknown IV"},
		{"bound path", replace("sso_keystore.jks sha", "../sso_keystore.jks sha"), "NAME sha256=HEX"},
		{"bound hidden", replace("idp_metadata.xml", ".idp_metadata.xml"), "NAME sha256=HEX"},
		{"length", replace("body-length: ", "body-length: 1"), "bytes of body"},
		{"length sign", replace("body-length: ", "body-length: +"), "no possible length"},
		{"length huge", func(s string) string { return s[:strings.Index(s, "body-length")] + "body-length: 99999999999" }, "no possible length"},
		{"missing field", replace("cipher: AES-256-GCM\n", ""), "is not the field"},
		{"twice", replace("cipher: AES-256-GCM\n", "cipher: AES-256-GCM\ncipher: AES-256-GCM\n"), "is not the field"},
		{"trailing field", func(s string) string { return s + "\nextra: 1" }, "more fields"},
		{"crlf", replace("file: shared\n", "file: shared\r\n"), "neither"},
	} {
		_, err := Parse(rejoin(c.change))
		if fault.Of(err) != fault.Malformed || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
	if _, err := Parse(make([]byte, MaxFile+1)); fault.Of(err) != fault.Malformed {
		t.Errorf("too large: %v", err)
	}
	long := Join([]byte(magic+"1\nfile: "+strings.Repeat("x", MaxHeader)+"\n\n"), nil)
	if _, err := Parse(long); err == nil || !strings.Contains(err.Error(), "no end") {
		t.Errorf("long header: %v", err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	h := header(Instance)
	h.KeyLabel = "two\nlines"
	h.BodyLength = 28
	if _, err := h.Encode(); err == nil {
		t.Error("a label of two lines was written")
	}
}

// FuzzParse: what parses re-encodes to the same bytes.
func FuzzParse(f *testing.F) {
	for _, b := range frozen(f) {
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		if fix && len(b) >= 32 {
			b = Join(b[:len(b)-32], nil)
		}
		file, err := Parse(b)
		if err != nil {
			if c := fault.Of(err); c != fault.Malformed && c != fault.Tampered {
				t.Fatalf("cause %v", c)
			}
			return
		}
		aad, err := file.Header.Encode()
		if err != nil || !bytes.Equal(Join(aad, file.Body), b) {
			t.Fatalf("not canonical: %v", err)
		}
	})
}
