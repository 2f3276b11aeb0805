package keystore_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ssovault/internal/secret"
)

// pki is a server's certificate under an intermediate under a root.
type pki struct {
	key   crypto.Signer
	chain []*x509.Certificate
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// issue makes a certificate for key, signed by the first of parent, or by
// itself.
func issue(name string, key crypto.Signer, until time.Time, parent *pki) (*pki, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: start, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signer, by, above := key, template, []*x509.Certificate(nil)
	if parent != nil {
		signer, by, above = parent.key, parent.chain[0], parent.chain
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &pki{key: key, chain: append([]*x509.Certificate{c}, above...)}, nil
}

func newKey() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the operating system has no randomness
	}
	return key
}

func newPKI(name string) (*pki, error) {
	root, err := issue(name+" root", newKey(), start.AddDate(20, 0, 0), nil)
	if err != nil {
		return nil, err
	}
	intermediate, err := issue(name+" intermediate", newKey(), start.AddDate(5, 0, 0), root)
	if err != nil {
		return nil, err
	}
	return issue(name+".example.com", newKey(), start.AddDate(1, 0, 0), intermediate)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func certificatePEM(c *x509.Certificate) string { return pemOf("CERTIFICATE", c.Raw) }

func pkcs8(key crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // of a key made here
	}
	return der
}

func keyPEM(key crypto.Signer) string { return pemOf("PRIVATE KEY", pkcs8(key)) }

// fixtures are files as the tools of the trade write them.
type fixtures struct {
	sso   *pki
	files map[string][]byte
}

var makeFixtures = sync.OnceValues(func() (*fixtures, error) {
	sso, err := newPKI("sso")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "keystore")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	chain := ""
	for _, c := range sso.chain {
		chain += certificatePEM(c)
	}
	for name, text := range map[string]string{"chain": chain, "key": keyPEM(sso.key)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	if err := runTools(dir); err != nil {
		return nil, err
	}
	f := &fixtures{sso: sso, files: map[string][]byte{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if f.files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return f, nil
})

// runTools makes everything from the files "chain" and "key".
func runTools(dir string) error {
	java, err := filepath.Abs("../../testdata/java/KeyStores.java")
	if err != nil {
		return err
	}
	const export = "openssl pkcs12 -export -in chain -inkey key -name server "
	const convert = "keytool -importkeystore -noprompt -srckeystore openssl.p12 -srcstorepass storepass -destkeystore "
	for _, command := range []string{
		export + "-passout pass:storepass -out openssl.p12",
		export + "-passout pass: -out empty.p12",
		export + "-passout pass:密码 -out unicode.p12",
		export + "-passout pass:密码 -legacy -out unicode-rc2.p12",
		export + "-passout pass:密码😀 -out emoji.p12",
		export + "-passout pass:storepass -legacy -out rc2.p12",
		export + "-passout pass:storepass -legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-128 -macalg sha1 -out rc2-128.p12",
		export + "-passout pass:storepass -legacy -certpbe PBE-SHA1-RC4-128 -out rc4.p12",
		export + "-passout pass:storepass -keypbe PBE-SHA1-2DES -out 2des.p12",
		export + "-passout pass:storepass -keypbe AES-128-CBC -certpbe AES-192-CBC -macalg sha1 -out aes128.p12",
		export + "-passout pass:storepass -macalg sha384 -out sha384.p12",
		export + "-passout pass:storepass -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha512 -out 3des.p12",
		export + "-passout pass:storepass -keypbe DES-EDE3-CBC -out pbes2-3des.p12",
		export + "-passout pass:storepass -nomac -out nomac.p12",
		export + "-passout pass:storepass -nomac -certpbe AES-256-CBC -out nomac-sealed.p12",
		export + "-passout pass: -keypbe NONE -certpbe NONE -nomac -out plain.p12",
		"openssl pkcs12 -export -in chain -nokeys -passout pass:storepass -out nokeys.p12",
		"openssl pkcs12 -in openssl.p12 -passin pass:storepass -passout pass:keypass -out sealed.pem",
		"openssl pkcs12 -in openssl.p12 -passin pass:storepass -noenc -out dump.pem",
		"openssl ec -in key -out key-sec1.pem",
		"openssl ec -in key -aes128 -passout pass:keypass -out key-old.pem",
		"openssl genrsa -traditional -out rsa.pem 2048",
		"openssl req -x509 -new -key rsa.pem -subj /CN=rsa -out rsa-cert.pem",
		"openssl req -x509 -new -key rsa.pem -subj /CN=rsa -outform DER -out cert.der",
		"openssl genpkey -algorithm ed25519 -out ed25519.pem",
		"openssl req -x509 -new -key ed25519.pem -subj /CN=ed25519 -out ed25519-cert.pem",
		"openssl genpkey -algorithm ed448 -out ed448.pem",
		"openssl req -x509 -new -key ed448.pem -subj /CN=ed448 -out ed448-cert.pem",
		"openssl pkcs12 -export -in ed448-cert.pem -inkey ed448.pem -passout pass:storepass -out ed448.p12",
		"openssl pkcs12 -export -in key -nocerts -inkey key -passout pass:storepass -out nocerts.p12",
		"openssl pkcs8 -topk8 -nocrypt -in key -outform DER -out key.der",
		"openssl crl2pkcs7 -nocrl -certfile chain -outform DER -out chain.p7b",
		convert + "keytool.jks -deststoretype JKS -deststorepass storepass -srcalias server -destkeypass keypass",
		convert + "keytool.p12 -deststoretype PKCS12 -deststorepass storepass",
		convert + "legacy.p12 -deststoretype PKCS12 -deststorepass storepass -J-Dkeystore.pkcs12.legacy",
		"java " + java + " openssl.p12 storepass .",
	} {
		args := strings.Fields(command)
		if _, err := exec.LookPath(args[0]); err != nil {
			return fmt.Errorf("%s is missing: install the packages openssl and openjdk-17-jdk-headless", args[0])
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		// Java reads its arguments and source in the locale's encoding.
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", command, err, out)
		}
	}
	return nil
}

func made(t testing.TB) *fixtures {
	t.Helper()
	f, err := makeFixtures()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// file gives one of the files, or several after another.
func (f *fixtures) file(t testing.TB, names ...string) []byte {
	t.Helper()
	var all [][]byte
	for _, name := range names {
		b, ok := f.files[name]
		if !ok {
			t.Fatalf("no fixture %q", name)
		}
		all = append(all, b)
	}
	return bytes.Join(all, nil)
}

func password(s string) secret.Value { return secret.New([]byte(s)) }
