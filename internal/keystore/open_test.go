package keystore_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/keystore"
)

func names(chain []*x509.Certificate) []string {
	var all []string
	for _, c := range chain {
		all = append(all, c.Subject.CommonName)
	}
	return all
}

var ssoChain = []string{"sso.example.com", "sso intermediate", "sso root"}

func TestOpen(t *testing.T) {
	t.Parallel()
	f := made(t)
	for _, test := range []struct {
		files      []string
		store, key string
		kind       keystore.Kind
		alias      string
		chain      []string
	}{
		{[]string{"keytool.jks"}, "storepass", "keypass", keystore.JKS, "server", ssoChain},
		{[]string{"empty.jks"}, "", "", keystore.JKS, "server", ssoChain},
		{[]string{"latin1.jks"}, "geheim-ß", "schlüssel", keystore.JKS, "server", ssoChain},
		{[]string{"beside.jks"}, "storepass", "", keystore.JKS, "server", ssoChain},
		{[]string{"keytool.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"keytool.p12"}, "storepass", "storepass", keystore.PKCS12, "", ssoChain},
		{[]string{"legacy.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"unicode.p12"}, "密码", "", keystore.PKCS12, "", ssoChain},
		{[]string{"unicode-rc2.p12"}, "密码", "", keystore.PKCS12, "", ssoChain},
		{[]string{"beside.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"openssl.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"empty.p12"}, "", "", keystore.PKCS12, "", ssoChain},
		{[]string{"rc2.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"rc2-128.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"aes128.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"3des.p12"}, "storepass", "", keystore.PKCS12, "", ssoChain},
		{[]string{"plain.p12"}, "", "", keystore.PKCS12, "", ssoChain},
		{[]string{"plain.p12"}, "ignored", "", keystore.PKCS12, "", ssoChain},
		{[]string{"dump.pem"}, "", "ignored", keystore.PEM, "", ssoChain},
		{[]string{"chain", "key"}, "", "", keystore.PEM, "", ssoChain},
		{[]string{"key-sec1.pem", "chain"}, "", "", keystore.PEM, "", ssoChain},
		{[]string{"rsa-cert.pem", "rsa.pem"}, "", "", keystore.PEM, "", []string{"rsa"}},
		{[]string{"ed25519-cert.pem", "ed25519.pem"}, "", "", keystore.PEM, "", []string{"ed25519"}},
	} {
		c, err := keystore.Open(f.file(t, test.files...), password(test.store), password(test.key))
		if err != nil {
			t.Errorf("%v: %v", test.files, err)
			continue
		}
		if c.Kind != test.kind || c.Alias != test.alias || !c.HasKey {
			t.Errorf("%v: %v %q %v", test.files, c.Kind, c.Alias, c.HasKey)
		}
		if diff := cmp.Diff(test.chain, names(c.Certificates)); diff != "" {
			t.Errorf("%v: %s", test.files, diff)
		}
		// The chain alone needs no password of the key, and the file no more.
		file := bytes.Clone(f.file(t, test.files...))
		alone, err := keystore.OpenChain(file, password(test.store))
		clear(file)
		for i, one := range alone.Certificates {
			if !bytes.Equal(one.Raw, c.Certificates[i].Raw) {
				t.Errorf("%v: certificate %d is wiped with the file", test.files, i)
			}
		}
		if err != nil || !alone.HasKey {
			t.Errorf("%v: chain alone: %v", test.files, err)
			continue
		}
		if diff := cmp.Diff(test.chain, names(alone.Certificates)); diff != "" {
			t.Errorf("%v: chain alone: %s", test.files, diff)
		}
	}
}

func TestOpenChainNeedsNoKey(t *testing.T) {
	t.Parallel()
	f := made(t)
	for file, store := range map[string]string{
		"chain": "", "trust.jks": "storepass", "trust.p12": "storepass",
	} {
		c, err := keystore.OpenChain(f.file(t, file), password(store))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if diff := cmp.Diff(ssoChain, names(c.Certificates)); diff != "" || c.HasKey {
			t.Errorf("%s: key %v, %s", file, c.HasKey, diff)
		}
		if _, err := keystore.Open(f.file(t, file), password(store), password("")); !errors.Is(err, keystore.ErrNoKey) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestSealedKeyOfPEM has keys that are not opened beside chains that are.
func TestSealedKeyOfPEM(t *testing.T) {
	t.Parallel()
	f := made(t)
	for _, test := range []struct {
		files []string
		hint  string
	}{
		{[]string{"sealed.pem"}, "openssl pkcs8 -in K -out K2"},
		{[]string{"chain", "key-old.pem"}, "openssl pkcs8 -topk8 -nocrypt -in K -out K2"},
	} {
		c, err := keystore.OpenChain(f.file(t, test.files...), password(""))
		if err != nil || !c.HasKey {
			t.Errorf("%v: key %v, %v", test.files, c.HasKey, err)
		}
		if diff := cmp.Diff(ssoChain, names(c.Certificates)); diff != "" {
			t.Errorf("%v: %s", test.files, diff)
		}
		_, err = keystore.Open(f.file(t, test.files...), password(""), password("keypass"))
		if !errors.Is(err, keystore.ErrUnsupported) || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("%v: %v", test.files, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	f := made(t)
	for _, test := range []struct {
		files      []string
		store, key string
		want       error
	}{
		{[]string{"keytool.jks"}, "wrong", "keypass", keystore.ErrPassword},
		{[]string{"keytool.jks"}, "", "keypass", keystore.ErrPassword},
		{[]string{"keytool.jks"}, "storepass", "wrong", keystore.ErrKeyPassword},
		{[]string{"keytool.jks"}, "storepass", "", keystore.ErrKeyPassword},
		{[]string{"keytool.p12"}, "storepass", "another", keystore.ErrOnePassword},
		{[]string{"empty.p12"}, "", "another", keystore.ErrOnePassword},
		{[]string{"keytool.p12"}, "wrong", "another", keystore.ErrPassword},
		{[]string{"keytool.jks"}, "\xff", "", keystore.ErrEncoding},
		{[]string{"chinese.jks"}, "密码密码密码", "", keystore.ErrEncoding},
		{[]string{"two.jks"}, "storepass", "", keystore.ErrSeveralKeys},
		{[]string{"nothing.jks"}, "storepass", "", keystore.ErrNoKey},
		{[]string{"jceks.jks"}, "storepass", "", keystore.ErrJCEKS},
		{[]string{"openssl.p12"}, "wrong", "", keystore.ErrPassword},
		{[]string{"openssl.p12"}, "", "", keystore.ErrPassword},
		{[]string{"openssl.p12"}, "\xff", "", keystore.ErrEncoding},
		{[]string{"openssl.p12"}, "wrong", "storepass", keystore.ErrPassword},
		{[]string{"emoji.p12"}, "密码😀", "", keystore.ErrEncoding},
		{[]string{"keypass.p12"}, "storepass", "keypass", keystore.ErrUnsupported},
		{[]string{"keytool.p12"}, "wrong", "", keystore.ErrPassword},
		{[]string{"legacy.p12"}, "wrong", "", keystore.ErrPassword},
		{[]string{"nomac.p12"}, "storepass", "", keystore.ErrUnsupported},
		{[]string{"nomac-sealed.p12"}, "storepass", "", keystore.ErrUnsupported},
		{[]string{"rc4.p12"}, "storepass", "", keystore.ErrUnsupported},
		{[]string{"2des.p12"}, "storepass", "", keystore.ErrUnsupported},
		{[]string{"pbes2-3des.p12"}, "storepass", "", keystore.ErrUnsupported},
		{[]string{"sha384.p12"}, "storepass", "", keystore.ErrUnsupported},
		{[]string{"ed448.p12"}, "storepass", "", keystore.ErrUnsupported},
		{[]string{"nocerts.p12"}, "storepass", "", keystore.ErrNoCertificate},
		{[]string{"nokeys.p12"}, "storepass", "", keystore.ErrNoKey},
		{[]string{"two.p12"}, "storepass", "", keystore.ErrSeveralKeys},
		{[]string{"nothing.p12"}, "storepass", "", keystore.ErrNoCertificate},
		{[]string{"chain", "ed448.pem"}, "", "", keystore.ErrUnsupported},
		{[]string{"chain", "key", "rsa.pem"}, "", "", keystore.ErrSeveralKeys},
		{[]string{"chain", "rsa.pem"}, "", "", keystore.ErrKeyMismatch},
		{[]string{"chain", "rsa-cert.pem", "key"}, "", "", keystore.ErrStrayCertificate},
		{[]string{"key"}, "", "", keystore.ErrNoCertificate},
		{[]string{"cert.der"}, "", "", keystore.ErrDER},
		{[]string{"key.der"}, "", "", keystore.ErrDER},
		{[]string{"chain.p7b"}, "", "", keystore.ErrP7B},
	} {
		c, err := keystore.Open(f.file(t, test.files...), password(test.store), password(test.key))
		if !errors.Is(err, test.want) {
			t.Errorf("%v %q %q: %v, %v, not %v", test.files, test.store, test.key, c, err, test.want)
		}
	}
	for _, file := range []string{"two.jks", "two.p12"} {
		_, err := keystore.OpenChain(f.file(t, file), password("storepass"))
		if !errors.Is(err, keystore.ErrSeveralKeys) {
			t.Errorf("%s: chain alone: %v", file, err)
		}
	}
	_, err := keystore.OpenChain(f.file(t, "nokeys.p12"), password("storepass"))
	if !errors.Is(err, keystore.ErrUnsupported) || !strings.Contains(err.Error(), "certificates without a key") {
		t.Errorf("nokeys.p12: chain alone: %v", err)
	}
	for _, file := range []string{"nothing.jks", "nothing.p12"} {
		_, err := keystore.OpenChain(f.file(t, file), password("storepass"))
		if !errors.Is(err, keystore.ErrNoCertificate) {
			t.Errorf("%s: chain alone: %v", file, err)
		}
	}
}
