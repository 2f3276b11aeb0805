package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Where sks.properties is whole, what is lost beside it does not make the way to
// the token another: nobody is sent to --accept-sks, and status names the token.
func TestRestoreOverALostFile(t *testing.T) {
	c := newConnector(t)
	c.configure()
	settings, instance := c.must("unseal"), strings.TrimSpace(c.must("get", "instance_number"))
	archive := c.backup()
	for _, lost := range [][]string{{"instance.encp"}, {"shared.encp"}, {"instance.encp", "shared.encp"}} {
		for _, name := range lost {
			if err := os.Remove(c.data(name)); err != nil {
				t.Fatal(err)
			}
		}
		o := c.run("status", "--json")
		var r statusReport
		if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || o.code != 12 || r.Instance != instance || r.Key == nil || r.Key.TokenSerial != c.token.Serial {
			t.Errorf("without %v: status: exit %d, %v\n%s", lost, o.code, err, o.stdout)
		}
		if o := c.run("status"); !strings.Contains(o.stdout, "(serial "+c.token.Serial+")") || strings.Contains(o.stdout, "IV by") || strings.Contains(o.stdout, "generation 0") {
			t.Errorf("without %v:\n%s", lost, o.stdout)
		}
		if o := c.run("doctor"); o.code != 12 {
			t.Errorf("without %v: doctor: exit %d\n%s", lost, o.code, o.stdout)
		}
		c.must("backup", "drill", archive)
		c.must("restore", "--dry-run", "--must-open", archive)
		c.must("restore", "--must-open", archive)
		if c.must("unseal") != settings {
			t.Errorf("without %v: other settings", lost)
		}
	}
	// A clear file beside the sealed ones is no other way in either.
	if err := os.WriteFile(c.data("instance.properties"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.must("restore", "--must-open", archive)

	// Which instance this is sks.properties says, too.
	c.setSKS("sks.instance", "000000000001")
	if err := os.Remove(c.data("shared.encp")); err != nil {
		t.Fatal(err)
	}
	if o := c.run("restore", archive); o.code != 25 {
		t.Errorf("another instance's: exit %d\n%s", o.code, o.stderr)
	}
	// One that is damaged says nothing.
	if err := os.WriteFile(c.data("sks.properties"), []byte("sks.version=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := c.run("restore", archive); o.code != 2 || !strings.Contains(o.stderr, "--accept-sks") {
		t.Errorf("a damaged one: exit %d\n%s", o.code, o.stderr)
	}
}
