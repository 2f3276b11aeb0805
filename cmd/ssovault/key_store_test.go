package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bringKeyStore makes the key store of the service one that another program has
// written: "jks" of keytool, "p12" of OpenSSL with certificates in the clear.
func (c *connector) bringKeyStore(kind string) {
	c.t.Helper()
	pem := c.bring("of-"+kind+".pem", tlsPEM(c.t, kind+".example.com"))
	p12, jks := filepath.Join(c.in, "of-"+kind+".p12"), filepath.Join(c.in, "of-"+kind+".jks")
	tools := [][]string{{"openssl", "pkcs12", "-export", "-in", pem, "-name", "sso", "-certpbe", "NONE", "-passout", "pass:" + canaryPassword, "-out", p12}}
	file := p12
	if kind == "jks" {
		tools = append(tools, []string{"keytool", "-importkeystore", "-noprompt", "-srckeystore", p12, "-srcstorepass", canaryPassword,
			"-destkeystore", jks, "-deststoretype", "JKS", "-deststorepass", canaryPassword})
		file = jks
	}
	for _, argv := range tools {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			c.t.Fatalf("%q: %v\n%s", argv, err, out)
		}
	}
	c.must("set", "ssl_file="+file, "--key-store-password-source", "file:"+c.bring("of-"+kind+".pass", []byte(canaryPassword+"\n")))
}

// A new key gets the certificate beside it, whatever key store that is in.
func TestNewKeyWithEveryKeyStore(t *testing.T) {
	for _, kind := range []string{"jks", "p12"} {
		t.Run(kind, func(t *testing.T) {
			k := newKeyScene(t)
			k.configure()
			k.bringKeyStore(kind)
			settings := k.must("unseal")
			k.rekeyed("rotate")
			k.rekeyed("migrate", "--to", k.second.Serial, "--to-pin-source", "file:"+k.in+"/second.pin")
			k.must("migrate", "--to-clear")
			k.rekeyed("migrate", "--to", k.token.Serial, "--to-pin-source", "file:"+k.in+"/token.pin", "--library", k.module.Path)
			if k.must("unseal") != settings {
				t.Error("other settings")
			}
			if objects := k.token.Snapshot(t); strings.Count(objects, "certificate") != 3 {
				t.Error(objects)
			}
		})
	}
}
