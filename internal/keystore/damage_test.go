package keystore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"
	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"ssovault/internal/keystore"
)

// small makes stores of one key and two certificates with one round of
// derivation, small enough to be broken in every place.
func small(t testing.TB) (sso *pki, asJKS, asPKCS12, asPEM []byte) {
	t.Helper()
	root, err := issue("r", newKey(), start.AddDate(1, 0, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	sso, err = issue("s", newKey(), start.AddDate(1, 0, 0), root)
	if err != nil {
		t.Fatal(err)
	}
	store := jks.New()
	entry := jks.PrivateKeyEntry{PrivateKey: pkcs8(sso.key), CreationTime: start}
	for _, c := range sso.chain {
		entry.CertificateChain = append(entry.CertificateChain, jks.Certificate{Type: "X.509", Content: c.Raw})
	}
	if err := store.SetPrivateKeyEntry("s", entry, []byte("pw")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := store.Store(&out, []byte("pw")); err != nil {
		t.Fatal(err)
	}
	asPKCS12, err = pkcs12.Modern2023.WithIterations(1).Encode(sso.key, sso.chain[0], sso.chain[1:], "pw")
	if err != nil {
		t.Fatal(err)
	}
	asPEM = []byte(certificatePEM(sso.chain[0]) + certificatePEM(sso.chain[1]) + keyPEM(sso.key))
	return sso, out.Bytes(), asPKCS12, asPEM
}

// TestWhatTheLibraryWrites opens every scheme of an independent writer.
func TestWhatTheLibraryWrites(t *testing.T) {
	t.Parallel()
	sso, _, _, _ := small(t)
	for name, test := range map[string]struct {
		encoder  *pkcs12.Encoder
		password string
	}{
		"RC2": {pkcs12.LegacyRC2, "pw"}, "3DES": {pkcs12.LegacyDES, "pw"}, "PBES2": {pkcs12.Modern2023, "pw"},
		"PBMAC1": {pkcs12.Modern2026, "pw"}, "nothing": {pkcs12.Passwordless, ""}, "empty RC2": {pkcs12.LegacyRC2, ""},
		"empty PBMAC1": {pkcs12.Modern2026, ""}, "long": {pkcs12.LegacyDES, "a password longer than one block of the hash, which is 64 bytes"},
	} {
		b, err := test.encoder.Encode(sso.key, sso.chain[0], sso.chain[1:], test.password)
		if err != nil {
			t.Fatal(err)
		}
		c, err := keystore.Open(b, password(test.password), password(""))
		if err != nil || len(c.Certificates) != 2 {
			t.Errorf("%s: %v, %v", name, names(c.Certificates), err)
		}
		if _, err := keystore.Open(b, password("wrong"), password("")); err == nil && name != "nothing" {
			t.Errorf("%s: opens with a wrong password", name)
		}
	}
}

func TestTruncated(t *testing.T) {
	t.Parallel()
	_, asJKS, asPKCS12, asPEM := small(t)
	for kind, b := range map[keystore.Kind][]byte{keystore.JKS: asJKS, keystore.PKCS12: asPKCS12, keystore.PEM: bytes.TrimSpace(asPEM)} {
		if _, err := keystore.Open(b, password("pw"), password("")); err != nil {
			t.Fatalf("%v: %v", kind, err)
		}
		for n := range b {
			_, err := keystore.Open(b[:n], password("pw"), password(""))
			if err == nil {
				t.Fatalf("%v: %d of %d bytes open", kind, n, len(b))
			}
			if kind != keystore.PEM && n >= 4 && !errors.Is(err, keystore.ErrTruncated) {
				t.Fatalf("%v: %d of %d bytes: %v", kind, n, len(b), err)
			}
		}
		if kind == keystore.PEM {
			continue
		}
		if _, err := keystore.Open(append(slices.Clone(b), 0), password("pw"), password("")); !errors.Is(err, keystore.ErrDamaged) {
			t.Errorf("%v: a byte more: %v", kind, err)
		}
	}
}

// TestFlippedBits flips each bit. JKS and PKCS#12 protect all that counts: what
// still opens has the same chain.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	sso, asJKS, asPKCS12, asPEM := small(t)
	want := fmt.Sprint(sso.chain[0].SerialNumber, sso.chain[1].SerialNumber)
	for kind, b := range map[keystore.Kind][]byte{keystore.JKS: asJKS, keystore.PKCS12: asPKCS12, keystore.PEM: asPEM} {
		opened := 0
		for i := range len(b) * 8 {
			b[i/8] ^= 1 << (i % 8)
			c, err := keystore.Open(b, password("pw"), password(""))
			b[i/8] ^= 1 << (i % 8)
			if err != nil || kind == keystore.PEM {
				continue
			}
			opened++
			if got := fmt.Sprint(c.Certificates[0].SerialNumber, c.Certificates[1].SerialNumber); got != want {
				t.Errorf("%v: bit %d gives another chain", kind, i)
			}
		}
		if kind == keystore.JKS && opened > 0 || opened > len(b)/100 {
			t.Errorf("%v: %d flipped bits went unnoticed", kind, opened)
		}
	}
}

// TestHostileLengths has files that ask for gigabytes. It is alone while it
// counts what they are given.
func TestHostileLengths(t *testing.T) {
	be := func(fields ...uint32) []byte {
		var b []byte
		for _, f := range fields {
			b = binary.BigEndian.AppendUint32(b, f)
		}
		return b
	}
	const magic = 0xFEEDFEED
	for _, test := range []struct {
		name string
		file []byte
		want error
	}{
		{"entries", be(magic, 2, 1<<32-1), keystore.ErrLength},
		{"entries a little too many", append(be(magic, 2, 3), make([]byte, 20)...), keystore.ErrTruncated},
		{"key", be(magic, 2, 1, 1, 0x0000_0000, 0, 0xFFFF_FFFF>>16, 1<<32-1, 0, 0, 0, 0, 0, 0), keystore.ErrLength},
		{"certificate", be(magic, 1, 1, 2, 0, 0, 0x0000_FFFF, 0xFFFF_0000, 0, 0, 0, 0, 0), keystore.ErrLength},
		{"version", be(magic, 3, 0, 0, 0, 0, 0, 0), keystore.ErrUnsupported},
		{"entry", be(magic, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), keystore.ErrDamaged},
		{"DER", []byte{0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 2, 1, 3}, keystore.ErrLength},
		{"DER of 2^64", []byte{0x30, 0x88, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 1, 3}, keystore.ErrLength},
		{"DER of 2^72", []byte{0x30, 0x89, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 1, 3}, keystore.ErrLength},
		{"BER", []byte{0x30, 0x80, 2, 1, 3, 0, 0}, keystore.ErrBER},
		{"too large", make([]byte, keystore.MaxSize+1), keystore.ErrTooLarge},
		{"empty", nil, keystore.ErrEmpty},
		{"text", []byte("keystore\n"), keystore.ErrNotKeyStore},
		{"BER of nothing", []byte{0x30, 0x80, 4, 1, 3, 0, 0}, keystore.ErrNotKeyStore},
		{"JCEKS", be(0xCECECECE, 2, 0), keystore.ErrJCEKS},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := keystore.Open(test.file, password(""), password("")); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, not %v", test.name, err, test.want)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d bytes allocated", test.name, got)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	_, asJKS, asPKCS12, asPEM := small(t)
	for _, test := range []struct {
		file      []byte
		kind      keystore.Kind
		name, ext string
	}{
		{asJKS, keystore.JKS, "JKS", ".jks"},
		{asPKCS12, keystore.PKCS12, "PKCS#12", ".p12"},
		{asPEM, keystore.PEM, "PEM", ".pem"},
		{append([]byte("\uFEFF"), asPEM...), keystore.PEM, "PEM", ".pem"},
		{append([]byte("Bag Attributes\n"), asPEM...), keystore.PEM, "PEM", ".pem"},
	} {
		kind, err := keystore.Detect(test.file)
		if kind != test.kind || err != nil || kind.String() != test.name || kind.Ext() != test.ext {
			t.Errorf("%v %v %q, %v", test.kind, kind, kind.Ext(), err)
		}
		if _, err := keystore.Open(test.file, password("pw"), password("")); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
}
