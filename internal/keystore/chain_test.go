package keystore_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ssovault/internal/keystore"
)

// TestAnyOrderOfPEM tries the six orders of a chain of three, with the key in
// each place and with duplicates.
func TestAnyOrderOfPEM(t *testing.T) {
	t.Parallel()
	sso, err := newPKI("sso")
	if err != nil {
		t.Fatal(err)
	}
	key := keyPEM(sso.key)
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		var blocks []string
		for _, i := range append(order, order[0]) {
			blocks = append(blocks, certificatePEM(sso.chain[i]))
		}
		for at := range blocks {
			file := strings.Join(blocks[:at], "") + key + strings.Join(blocks[at:], "")
			c, err := keystore.Open([]byte(file), password(""), password(""))
			if err != nil {
				t.Fatalf("%v, key at %d: %v", order, at, err)
			}
			if diff := cmp.Diff(ssoChain, names(c.Certificates)); diff != "" {
				t.Errorf("%v, key at %d: %s", order, at, diff)
			}
		}
		c, err := keystore.OpenChain([]byte(strings.Join(blocks, "\r\n")), password(""))
		if err != nil {
			t.Fatalf("%v without key: %v", order, err)
		}
		if diff := cmp.Diff(ssoChain, names(c.Certificates)); diff != "" {
			t.Errorf("%v without key: %s", order, diff)
		}
		if want := start.AddDate(1, 0, 0); !c.Expires().Equal(want) {
			t.Errorf("expires %v, not %v", c.Expires(), want)
		}
	}
	if !(keystore.Chain{}).Expires().Equal(time.Time{}) {
		t.Error("an empty chain expires")
	}
}

// TestCrossSigned has a root twice: signed by itself and by an older root.
func TestCrossSigned(t *testing.T) {
	t.Parallel()
	end := start.AddDate(10, 0, 0)
	make := func(name string, parent *pki) *pki {
		p, err := issue(name, newKey(), end, parent)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	old, root := make("old root", nil), make("root", nil)
	cross, err := issue("root", root.key, end, old)
	if err != nil {
		t.Fatal(err)
	}
	leaf := make("leaf", root)
	all := []*x509.Certificate{root.chain[0], cross.chain[0], old.chain[0], leaf.chain[0]}
	rapid.Check(t, func(t *rapid.T) {
		var file strings.Builder
		file.WriteString(keyPEM(leaf.key))
		for _, c := range rapid.Permutation(all).Draw(t, "order") {
			file.WriteString(certificatePEM(c))
		}
		c, err := keystore.Open([]byte(file.String()), password(""), password(""))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"leaf", "root", "old root"}, names(c.Certificates)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestNoChain(t *testing.T) {
	t.Parallel()
	sso, err := newPKI("sso")
	if err != nil {
		t.Fatal(err)
	}
	namesake, err := newPKI("sso") // the same names, other keys
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := issue("sso.example.com", sso.key, start.AddDate(2, 0, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	crowd := ""
	for range 30 {
		one, err := issue("one of many", sso.key, start, nil)
		if err != nil {
			t.Fatal(err)
		}
		crowd += certificatePEM(one.chain[0])
	}
	pems := func(cs ...*x509.Certificate) string {
		all := ""
		for _, c := range cs {
			all += certificatePEM(c)
		}
		return all
	}
	for _, test := range []struct {
		name, file string
		want       error
	}{
		{"issuer of the same name", pems(sso.chain[0], namesake.chain[1]), keystore.ErrStrayCertificate},
		{"a gap", pems(sso.chain[0], sso.chain[2]), keystore.ErrStrayCertificate},
		{"two certificates of one key", pems(sso.chain[0], renewed.chain[0]), keystore.ErrStrayCertificate},
		{"another's certificate", pems(namesake.chain...), keystore.ErrKeyMismatch},
		{"too many", pems(sso.chain...) + crowd, keystore.ErrLongChain},
		{"too many blocks", strings.Repeat("-----BEGIN X-----\n-----END X-----\n", 400_000), keystore.ErrLongChain},
		{"endless begins", strings.Repeat("-----BEGIN X-----\n", 900_000), keystore.ErrTruncated},
		{"a request", pems(sso.chain...) + pemOf("CERTIFICATE REQUEST", []byte{0x30, 0}), keystore.ErrUnsupported},
		{"a huge key", pems(sso.chain...) + pemOf("RSA PRIVATE KEY", make([]byte, 20<<10)), keystore.ErrUnsupported},
		{"a huge certificate", pemOf("CERTIFICATE", make([]byte, 70<<10)), keystore.ErrUnsupported},
		{"no certificate in it", pemOf("CERTIFICATE", []byte("text")), keystore.ErrDamaged},
		{"no base64", "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n", keystore.ErrDamaged},
		{"no key in it", pems(sso.chain...) + pemOf("EC PRIVATE KEY", []byte("text")), keystore.ErrDamaged},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := test.file
			if !strings.Contains(file, "PRIVATE KEY") {
				file = keyPEM(sso.key) + file
			}
			if c, err := keystore.Open([]byte(file), password(""), password("")); !errors.Is(err, test.want) {
				t.Errorf("%v, %v, not %v", names(c.Certificates), err, test.want)
			}
		})
	}
}

func TestMissingIssuerIsNoFault(t *testing.T) {
	t.Parallel()
	sso, err := newPKI("sso")
	if err != nil {
		t.Fatal(err)
	}
	c, err := keystore.Open([]byte(certificatePEM(sso.chain[0])+keyPEM(sso.key)), password(""), password(""))
	if err != nil || len(c.Certificates) != 1 {
		t.Errorf("%v, %v", names(c.Certificates), err)
	}
}
