package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Inspect knows every file of ours, and shows no secret of any.
func TestInspectEveryFile(t *testing.T) {
	c := newConnector(t)
	c.configure()
	shares := filepath.Join(c.dir, "shares")
	if err := os.Mkdir(shares, 0o700); err != nil {
		t.Fatal(err)
	}
	c.must("recovery", "init", "--generate", "--shares", "3", "--threshold", "2", "--share-dir", shares)
	plain, locked := filepath.Join(c.dir, "plain.tar.zst"), filepath.Join(c.dir, "locked.tar.zst.age")
	c.must("backup", "--plaintext", plain)
	var status recoveryReport
	if err := json.Unmarshal([]byte(c.must("recovery", "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	c.must("backup", "--encrypt-to", status.Recipient, locked)
	all, err := filepath.Glob(filepath.Join(shares, "*"))
	if err != nil || len(all) != 3 {
		t.Fatal(all, err)
	}
	share, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	secretLine := strings.Split(string(share), "\n")[7]

	vectors, err := filepath.Abs("../../testdata/vectors")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct{ path, text, json string }{
		{c.data("sks.properties"), "# Secure key storage", `"sks.instance": "`},
		{c.data("shared.encp"), "ssovault sealed file 1\nfile: shared\n", `"digest": "ok"`},
		{c.data("recovery.age"), "encrypted with age, for: X25519\n", `"X25519"`},
		{all[0], "ssovault recovery share 1\ninstance:  ", `"threshold": 2`},
		{plain, "# ", `"program": "ssovault"`},
		{locked, "encrypted with age, for: X25519\n", `"encrypted": "age"`},
		{vectors + "/exported-kwp.key", "ssovault exported key 1\nmechanism: aes-kwp\n", `"mechanism": "aes-kwp"`},
		{vectors + "/exported-legacy.key", "ssovault exported key 1\nmechanism: des3-ecb\n", `"mechanism": "des3-ecb"`},
	} {
		text, asJSON := c.must("inspect", f.path), c.must("inspect", "--json", f.path)
		if !strings.HasPrefix(text, f.text) {
			t.Errorf("%s:\n%s", f.path, text)
		}
		if !json.Valid([]byte(asJSON)) || !strings.Contains(asJSON, f.json) {
			t.Errorf("%s:\n%s", f.path, asJSON)
		}
		if strings.Contains(text+asJSON, secretLine) {
			t.Errorf("%s: a share is shown", f.path)
		}
	}
	// What is none, or not whole.
	cut := func(path string, n int) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return c.bring(filepath.Base(path), b[:n])
	}
	for _, path := range []string{cut(plain, 30), cut(locked, 40), cut(all[0], len(share)-3), cut(vectors+"/exported-kwp.key", 90), cut(plain, 0), c.in + "/tls.pem"} {
		if o := c.run("inspect", path); o.code != 28 && o.code != 26 || o.stdout != "" {
			t.Errorf("%s: exit %d\n%s%s", path, o.code, o.stdout, o.stderr)
		}
	}
}
