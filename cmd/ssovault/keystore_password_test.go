package main

import (
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// keyStores makes a PKCS#12, and a JKS whose key has a password of its own, out of
// the connector's PEM.
func (c *connector) keyStores() (p12, jks string) {
	c.t.Helper()
	p12, jks = filepath.Join(c.in, "one.p12"), filepath.Join(c.in, "two.jks")
	for _, argv := range [][]string{
		{"openssl", "pkcs12", "-export", "-in", filepath.Join(c.in, "tls.pem"), "-name", "sso", "-out", p12, "-passout", "pass:storepass"},
		{"keytool", "-importkeystore", "-noprompt", "-srckeystore", p12, "-srcstorepass", "storepass", "-destkeystore", jks,
			"-deststoretype", "JKS", "-deststorepass", "storepass", "-destkeypass", "keypass", "-srcalias", "sso"},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			c.t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	return p12, jks
}

// A PKCS#12 has one password: another one of the key is refused, whichever way it
// comes, and one of the key store before does not stay.
func TestOnePasswordOfPKCS12(t *testing.T) {
	c := newConnector(t)
	p12, jks := c.keyStores()
	store, key := "file:"+c.bring("store.pass", []byte("storepass\n")), "file:"+c.bring("key.pass", []byte("keypass\n"))
	answers := strings.Replace(c.answers(), c.in+"/tls.pem", p12, 1) + "key_store_password_source=" + store + "\n"
	wrong := c.bring("wrong", []byte(answers+"key_password_source="+key+"\n"))
	const says = "a PKCS#12 has one password"
	if o := c.run("-config", "-answers", wrong); o.code != 2 || !strings.Contains(o.stderr, "key_password_source") || !strings.Contains(o.stderr, says) {
		t.Errorf("config: exit %d\n%s", o.code, o.stderr)
	}
	c.must("-config", "-answers", c.bring("same", []byte(answers+"key_password_source="+store+"\n")))
	before := c.tree()
	for _, o := range []outcome{
		c.run("set", "ssl_file="+p12, "--key-store-password-source", store, "--key-password-source", key),
		c.with("keypass\n", "set", "--stdin", "key_password"),
		c.with(`{"key_password":"keypass"}`, "import", "--merge", "--file", "shared", "-"),
	} {
		if o.code != 2 || !strings.Contains(o.stderr, says) {
			t.Errorf("exit %d\n%s", o.code, o.stderr)
		}
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused password has changed something")
	}
	for _, with := range [][]string{nil, {"--key-store-password-source", store}} {
		c.must("set", "ssl_file="+jks, "--key-store-password-source", store, "--key-password-source", key)
		o := c.run(append([]string{"set", "ssl_file=" + p12}, with...)...)
		if o.code != 0 || !strings.Contains(o.stderr, "warning: key_password of the key store before is removed: "+says) {
			t.Errorf("%v: exit %d\n%s", with, o.code, o.stderr)
		}
		if o := c.run("get", "key_password"); o.code != 2 {
			t.Errorf("%v: the password of the JKS's key stays: %+v", with, o)
		}
	}
	// So does the dialog, where the present answer would be taken.
	c.must("set", "ssl_file="+jks, "--key-store-password-source", store, "--key-password-source", key)
	o := c.run("-config", "-answers", c.bring("again", []byte(answers)))
	if o.code != 0 || !strings.Contains(o.stderr, says) {
		t.Errorf("config: exit %d\n%s", o.code, o.stderr)
	}
	if o := c.run("get", "key_password"); o.code != 2 {
		t.Errorf("config: the password of the JKS's key stays: %+v", o)
	}
}
