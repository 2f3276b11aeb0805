package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// With secure key storage off everything works the same, on clear files.
func TestInTheClear(t *testing.T) {
	c := newConnector(t)
	c.configure()
	sealed := c.must("export")
	if o := c.run("-disableSKS"); o.code != 0 || !strings.Contains(o.stderr, "in the clear") {
		t.Fatalf("%+v", o)
	}
	if o := c.run("-disableSKS"); o.code != 0 || o.stderr != "" {
		t.Errorf("a second time: %+v", o)
	}
	if c.must("export") != sealed {
		t.Error("other settings than before")
	}
	c.module.Vanish() // no HSM is needed any more
	for _, name := range []string{"instance.properties", "shared.properties"} {
		if info, err := os.Stat(c.data(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, name := range []string{"sks.properties", "instance.encp", "shared.encp"} {
		if _, err := os.Stat(c.data(name)); !os.IsNotExist(err) {
			t.Errorf("%s is still there", name)
		}
	}
	c.must("set", "admin_port=9999")
	if out := c.must("run", "--", "/bin/sh", "-c", "cat $SSOVAULT_INSTANCE"); !strings.Contains(out, "admin_port=9999") {
		t.Error(out)
	}
	if o := c.run("doctor"); o.code != 0 || !strings.Contains(o.stdout, "in the clear") {
		t.Errorf("%+v", o)
	}
	if o := c.run("accept"); o.code != 2 {
		t.Errorf("accept: %+v", o)
	}
	c.module.Return()
	c.configure()
	if c.must("get", "admin_port") != "9999\n" {
		t.Error("sealing again lost a setting")
	}
	empty := *c
	empty.base = filepath.Join(c.dir, "empty")
	if err := os.Mkdir(empty.base, 0o700); err != nil {
		t.Fatal(err)
	}
	if o := empty.run("-disableSKS"); o.code != 11 {
		t.Errorf("no data: %+v", o)
	}
	c.module.Vanish()
	if o := c.run("-disableSKS"); o.code != 10 || !strings.Contains(o.stderr, "what is left is a backup") {
		t.Errorf("no HSM: %+v", o)
	}
}

// status and inspect need neither PIN nor HSM.
func TestLookingNeedsNoDevice(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.module.Reset()
	before := c.tree()
	var status statusReport
	if err := json.Unmarshal([]byte(c.must("status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	if status.Mode != "sealed" || status.Generation != 1 || status.Key.TokenSerial != c.token.Serial || status.Problem != nil {
		t.Errorf("%+v", status)
	}
	if out := c.must("inspect", c.data("shared.encp")); !strings.HasPrefix(out, "ssovault sealed file 1\nfile: shared\n") {
		t.Error(out)
	}
	if out := c.must("inspect", "--json", c.data("shared.encp")); !strings.Contains(out, `"digest": "ok"`) {
		t.Error(out)
	}
	c.must("inspect", c.data("sks.properties"))
	if o := c.run("inspect", c.in+"/tls.pem"); o.code != 28 {
		t.Errorf("not ours: %+v", o)
	}
	if o := c.run("inspect", c.in+"/none"); o.code != 2 {
		t.Errorf("none: %+v", o)
	}
	c.must("version", "--json")
	if n := c.module.Calls(); n != 0 {
		t.Errorf("%d calls to the device", n)
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("looking has changed something")
	}
	c.removeData("shared.encp")
	if o := c.run("status", "--json"); o.code != 12 || !strings.Contains(o.stdout, `"cause": "c"`) {
		t.Errorf("a problem: %+v", o)
	}
}
