package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ssovault/internal/encp"
	"ssovault/internal/p11test"
)

func waitSignal(cmd *exec.Cmd) syscall.Signal {
	return cmd.ProcessState.Sys().(syscall.WaitStatus).Signal()
}

// Canaries: bytes that must never be seen where they do not belong.
const (
	canaryPassword = "canary-store-password"
	canaryValue    = "canary-setting-value"
)

// connector is a server with an install folder, a real token behind the faulty
// module, and the files that an administrator brings along.
type connector struct {
	t      testing.TB
	token  p11test.Tok
	module *p11test.Module
	dir    string // of everything
	base   string
	in     string // what the administrator brings
}

func newConnector(t testing.TB) *connector {
	t.Helper()
	c := &connector{t: t, token: p11test.Token(t), dir: t.TempDir()}
	c.module = p11test.Faulty(t, c.token.Library)
	c.base, c.in = filepath.Join(c.dir, "base"), filepath.Join(c.dir, "in")
	for _, dir := range []string{c.base, c.in} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c.bring("tls.pem", tlsPEM(t, "sso.example.com"))
	c.bring("idp.xml", []byte(metadataXML("https://idp.example.com")))
	c.bring("token.pin", []byte(c.token.PIN+"\n"))
	c.bring("answers", []byte(c.answers()))
	return c
}

// bring puts a file among those that the administrator brings.
func (c *connector) bring(name string, content []byte) string {
	c.t.Helper()
	path := filepath.Join(c.in, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// answers configure the connector with the module in front of the token.
func (c *connector) answers() string {
	return fmt.Sprintf(`sso_domain=acme
sso_connect_host=sso.example.com
ssl_file=%[1]s/tls.pem
saml_file=%[1]s/idp.xml
sks=y
sks_type=SoftHSM
sks_library=%[2]s
sks_slot=%[3]s
sks_password_source=file:%[1]s/token.pin
pin_source=file
`, c.in, c.module.Path, c.token.Serial)
}

// command is a run of ssovault on this connector.
func (c *connector) command(args ...string) *exec.Cmd {
	cmd := exec.Command(program(c.t), args...)
	cmd.Env = append(append(os.Environ(), c.token.Env()...), "SSOVAULT_BASE="+c.base)
	cmd.Dir = c.dir
	return cmd
}

func (c *connector) run(args ...string) outcome {
	c.t.Helper()
	return execute(c.t, c.command(args...))
}

// must runs ssovault and wants it to succeed.
func (c *connector) must(args ...string) string {
	c.t.Helper()
	o := c.run(args...)
	if o.code != 0 {
		c.t.Fatalf("ssovault %s: exit %d\n%s", strings.Join(args, " "), o.code, o.stderr)
	}
	return o.stdout
}

func (c *connector) configure() {
	c.t.Helper()
	c.must("-config", "-answers", filepath.Join(c.in, "answers"))
}

func (c *connector) data(name string) string { return filepath.Join(c.base, "data", name) }

// tree is every file below the base with its content, for comparing. State
// that says no more than that somebody was here is left out: locks, the log,
// the trace of a failure.
func (c *connector) tree() map[string]string {
	c.t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(c.base, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, _ := filepath.Rel(c.base, path)
		switch name {
		case "run/.lock", "run/.running", "run/last-failure.json", "logs/ssovault.log":
			return nil
		}
		b, err := os.ReadFile(path)
		files[name] = string(b)
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return files
}

// tlsPEM makes a key and a self-signed certificate.
func tlsPEM(t testing.TB, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for kind, content := range map[string][]byte{"CERTIFICATE": cert, "PRIVATE KEY": der} {
		if err := pem.Encode(&b, &pem.Block{Type: kind, Bytes: content}); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// metadataXML is what an identity provider publishes.
func metadataXML(entity string) string {
	return `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + entity + `">
 <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="` + entity + `/sso"/>
 </md:IDPSSODescriptor>
</md:EntityDescriptor>
`
}

// resealDigest gives a sealed file the digest that fits it: what an attacker
// would do.
func resealDigest(b []byte) []byte { return encp.Join(b[:len(b)-sha256.Size], nil) }
