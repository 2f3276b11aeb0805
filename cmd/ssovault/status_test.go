package main

import (
	"os"
	"strings"
	"testing"
)

// A folder whose journal is broken is configured: status says what is broken, and
// ends as run does.
func TestStatusOfABrokenJournal(t *testing.T) {
	c := newConnector(t)
	c.configure()
	for name, journal := range map[string]string{
		"not JSON": "{", "newer": `{"version":9}`, "not ours": `{"version":1,"files":[{"name":"../x","remove":true}]}`,
		"missing file": `{"version":1,"save_id":"` + strings.Repeat("ab", 16) + `","files":[{"name":"data/shared.encp","sha256":"` + strings.Repeat("00", 32) + `"}]}`,
	} {
		if err := os.WriteFile(c.data(".journal"), []byte(journal), 0o600); err != nil {
			t.Fatal(err)
		}
		run, status := c.run("run", "--", "/bin/true"), c.run("status")
		if status.code == 0 || status.code != run.code || status.stderr != run.stderr {
			t.Errorf("%s: exit %d, run gives %d\n%s\n%s", name, status.code, run.code, status.stderr, run.stderr)
		}
		if strings.Contains(status.stdout, "not configured") || !strings.Contains(status.stdout, "cannot be told: ") || !strings.Contains(status.stdout, "data/.journal") {
			t.Errorf("%s:\n%s", name, status.stdout)
		}
		if o := c.run("status", "--json"); !strings.Contains(o.stdout, `"mode": "unknown"`) {
			t.Errorf("%s:\n%s", name, o.stdout)
		}
		if o := c.run("doctor"); o.code != run.code || !strings.Contains(o.stdout, "data/.journal") {
			t.Errorf("%s: doctor: exit %d\n%s", name, o.code, o.stdout)
		}
	}
	if err := os.Remove(c.data(".journal")); err != nil {
		t.Fatal(err)
	}
	if out := c.must("status"); !strings.Contains(strings.Join(strings.Fields(out), " "), "settings sealed") {
		t.Errorf("healthy again:\n%s", out)
	}
}

// A key that is misspelt in sks.properties is warned of, and stays.
func TestMisspeltKey(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.setSKS("rolback", "refuse")
	const want = `"rolback" (is rollback meant?)`
	for _, args := range [][]string{{"run", "--", "/bin/true"}, {"set", "admin_port=9999"}, {"run", "--", "/bin/true"}, {"status"}, {"doctor"}} {
		o := c.run(args...)
		if o.code != 0 || !strings.Contains(o.stderr+o.stdout, want) {
			t.Errorf("%s: exit %d\n%s%s", args, o.code, o.stdout, o.stderr)
		}
	}
	if o := c.run("status", "--json"); !strings.Contains(o.stdout, `"nearest": "rollback"`) {
		t.Error(o.stdout)
	}
	c.setSKS("rollback", "refuse")
	c.edit("sks.properties", replaceOnce("rolback=refuse\n", ""))
	if o := c.run("run", "--", "/bin/true"); o.code != 0 || o.stderr != "" {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}
