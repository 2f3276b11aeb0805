package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// bundle makes a support bundle and gives its parts by name.
func (c *connector) bundle(name string) map[string]string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if o := c.run("support", path); o.code != 0 {
		c.t.Fatal(o.stderr)
	}
	dir := filepath.Join(c.dir, name+".d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xzf", path, "-C", dir).CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	parts := map[string]string{}
	files, err := filepath.Glob(dir + "/ssovault-support/*")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		parts[filepath.Base(file)] = string(b)
	}
	return parts
}

// Whatever people and other programs wrote into the readable files stays out of a
// bundle; what helps is still in it.
func TestBundleHoldsNothingForeign(t *testing.T) {
	c := newConnector(t)
	c.configure()
	const secret = "98127634"
	c.setSKS("sks.pin", "command:/no/such/echo "+secret+"1")
	c.edit("sks.properties", func(b []byte) []byte {
		return append(b, "# the PIN is "+secret+"2\nsks.password="+secret+"3\n"+secret+"4\npin "+secret+"5\n"...)
	})
	if o := c.run("get", "sso_domain"); o.code != 22 || strings.Contains(o.stderr, secret) {
		t.Errorf("a command with arguments: exit %d\n%s", o.code, o.stderr)
	}
	log, err := os.OpenFile(filepath.Join(c.base, "logs", "ssovault.log"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := `"time":"2026-01-02T03:04:05Z","level":"error","command":"run","message":"failed"`
	fmt.Fprintf(log, "password %[1]s6\n{\"password\":\"%[1]s7\"}\n{%[2]s,\"password\":\"%[1]s8\",\"error\":{\"pin\":\"%[1]s9\"}}\n"+
		"{%[2]s,\"error\":\"the secret from command:/bin/echo %[1]s0: absent\",\"exit\":22}\n{%[2]s} %[1]sA\n", secret, ours)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	// As an older ssovault left it.
	trace := `{"time":"2026-01-02T03:04:05Z","cause":"22","exit":22,"error":"the secret from command:/bin/echo ` + secret + `B: absent","hint":"x"}`
	if err := os.WriteFile(filepath.Join(c.base, "run", "last-failure.json"), []byte(trace), 0o600); err != nil {
		t.Fatal(err)
	}
	parts := c.bundle("b.tar.gz")
	for name, text := range parts {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s holds %s:\n%s", name, text[i:i+len(secret)+1], text)
		}
	}
	for name, wants := range map[string][]string{
		"status.json":    {"command:/no/such/echo [arguments]", `the secret from command:/bin/echo [arguments]`},
		"sks.properties": {"sks.pin=command\\:/no/such/echo [arguments]\n", "sks.password=[left out]\n", "sks.token.serial=" + c.token.Serial + "\n"},
		"ssovault.log":   {`"message":"configured"`, `"exit":22`, `"error":"the secret from command:/bin/echo [arguments]"`, "[left out]: lines that are not ssovault's: 2\n", "[left out]: lines that are not ssovault's: 1\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(parts[name], want) {
				t.Errorf("%s holds no %q:\n%s", name, want, parts[name])
			}
		}
	}
	// What cannot be read is not known to be harmless.
	c.setSKS("sks.role", secret+"C")
	for name, text := range c.bundle("c.tar.gz") {
		if strings.Contains(text, secret) {
			t.Errorf("sks.properties that is refused: %s holds the secret:\n%s", name, text)
		}
	}
}

// Every line that ssovault itself writes comes through whole.
func TestOwnLogLinesStay(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.must("set", "admin_port=8181")
	c.must("run", "--", "/bin/true")
	c.must("backup", filepath.Join(c.dir, "kept"), "--plaintext")
	c.must("rotate")
	c.module.Plan("on C_Decrypt * return 0x5")
	c.run("get", "sso_domain")
	c.module.Reset()
	log, err := os.ReadFile(filepath.Join(c.base, "logs", "ssovault.log"))
	if err != nil {
		t.Fatal(err)
	}
	kept := harmless{func(s string) string { return s }}.logLines(log)
	was, is := strings.Split(string(log), "\n"), strings.Split(string(kept), "\n")
	if len(was) < 5 || len(was) != len(is) {
		t.Fatalf("%d lines became %d:\n%s", len(was), len(is), kept)
	}
	for i := range was[:len(was)-1] {
		var a, b map[string]any
		if err := json.Unmarshal([]byte(was[i]), &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(is[i]), &b); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%s\nbecame\n%s", was[i], is[i])
		}
	}
}
