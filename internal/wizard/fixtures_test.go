package wizard_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

const storePassword = "changeit"

// testTime is what every dialog takes for the present.
var testTime = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// issue makes a certificate, signed by parent or by itself.
func issue(name string, number int64, until time.Time, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: name},
		NotBefore: testTime.AddDate(-1, 0, 0), NotAfter: until, BasicConstraintsValid: true, IsCA: number > 1,
	}
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		return nil, nil, err
	}
	c, err = x509.ParseCertificate(der)
	return c, key, err
}

// stores are the files that the dialogs are given, as bytes.
type stores struct {
	p12, pem, expired, other, certificate []byte
	leaf                                  *x509.Certificate
}

// fixtures makes them once: to derive a key from a password takes its time.
var fixtures = sync.OnceValues(func() (s stores, err error) {
	root, rootKey, err := issue("Test Root", 2, testTime.AddDate(9, 0, 0), nil, nil)
	if err != nil {
		return s, err
	}
	leaf, key, err := issue("sso.example.com", 1, testTime.AddDate(1, 0, 0), root, rootKey)
	if err != nil {
		return s, err
	}
	old, oldKey, err := issue("old.example.com", 1, testTime.AddDate(0, 0, -1), root, rootKey)
	if err != nil {
		return s, err
	}
	s.leaf = leaf
	if s.p12, err = pkcs12.Modern.Encode(key, leaf, []*x509.Certificate{root}, storePassword); err != nil {
		return s, err
	}
	if s.other, err = pkcs12.Modern.Encode(oldKey, old, []*x509.Certificate{root}, "another"); err != nil {
		return s, err
	}
	s.certificate = toPEM(nil, root)
	s.pem, s.expired = toPEM(key, leaf, root), toPEM(oldKey, old)
	return s, nil
})

func toPEM(key *ecdsa.PrivateKey, chain ...*x509.Certificate) []byte {
	var b bytes.Buffer
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err) // of a key that was just made
		}
		_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	for _, c := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return b.Bytes()
}

// metadata is an identity provider's.
func metadata(entity, validUntil string) string {
	return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%s"%s>
  <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://idp.example.com/sso"/>
  </IDPSSODescriptor>
</EntityDescriptor>
`, entity, validUntil)
}

// inputs writes the files that an administrator names, and gives their folder.
func inputs(t testing.TB) (folder string, s stores) {
	t.Helper()
	s, err := fixtures()
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	for name, content := range map[string][]byte{
		"sso.p12": s.p12, "sso.pem": s.pem, "expired.pem": s.expired, "other.p12": s.other, "root.pem": s.certificate,
		"idp.xml": []byte(metadata("https://idp.example.com/entity", "")),
		"old.xml": []byte(metadata("https://old.example.com", ` validUntil="2020-01-01T00:00:00Z"`)),
		"text":    []byte("not what was meant"), "library.so": []byte("a library"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder, s
}
