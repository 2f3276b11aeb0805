package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestTenStartsWithAWrongPIN(t *testing.T) {
	c := newConnector(t)
	c.configure()
	pinFile := filepath.Join(c.base, "sks.pin")
	if err := os.WriteFile(pinFile, []byte("0000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.module.Reset()
	for range 10 {
		c.wantFailure(20, "20", "refused", "run", "--", "/bin/true")
	}
	c.wantFailure(20, "20", "refused", "set", "admin_port=1")
	if o := c.run("doctor"); o.code != 20 {
		t.Errorf("doctor: exit %d", o.code)
	}
	if n := c.module.CallsOf("C_Login"); n != 1 {
		t.Errorf("%d logins", n)
	}
	// The source corrected, the service starts again by itself.
	if err := os.WriteFile(pinFile, []byte(c.token.PIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.must("run", "--", "/bin/true")
	// A source that is written anew before each start, as an ExecStartPre does,
	// costs two tries and no more.
	c.module.Reset()
	for range 5 {
		if err := os.WriteFile(pinFile, []byte("0000\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.wantFailure(20, "20", "", "run", "--", "/bin/true")
	}
	if n := c.module.CallsOf("C_Login"); n > 2 {
		t.Errorf("%d logins with a PIN file that is written anew", n)
	}
	if err := os.WriteFile(pinFile, []byte(c.token.PIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.must("doctor", "--try-pin", "--pin-source", "file:"+c.in+"/token.pin")
	c.must("run", "--", "/bin/true")
	// Somebody else's refusal: no unattended login until a person says so.
	c.module.Plan("flags 0x00010000 0x0")
	c.wantFailure(20, "20", "--try-pin", "unseal")
	c.must("run", "--try-pin", "--", "/bin/true")
	c.module.Plan()
	c.must("unseal")
}

func TestDescriptorNobodyHandedOver(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.module.Reset()
	for n := 3; n < 12; n++ {
		c.setSKS("sks.pin", fmt.Sprint("fd:", n))
		c.wantFailure(22, "22", "the secret from fd:", "unseal")
	}
	if n := c.module.CallsOf("C_Login"); n != 0 {
		t.Errorf("%d logins", n)
	}
	c.setSKS("sks.pin", "fd:3")
	cmd := c.command("get", "sso_domain")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(w, c.token.PIN)
	w.Close()
	cmd.ExtraFiles = []*os.File{r}
	if o := execute(t, cmd); o.code != 0 || o.stdout != "acme\n" {
		t.Errorf("%+v", o)
	}
}

// A PIN that the token calls locked, by its code and by no flag, stays locked for
// whoever looks next: only the security officer can help, not another PIN.
func TestLockedIsRemembered(t *testing.T) {
	c := newConnector(t)
	c.configure()
	sealed := newPristine(c)
	for _, source := range []string{"file", "env:HSM_PIN"} {
		sealed.restore()
		c.setSKS("sks.pin", source)
		t.Setenv("HSM_PIN", c.token.PIN)
		c.module.Plan("on C_Login * return 0xA4")
		c.module.Reset()
		c.wantFailure(21, "21", "security officer", "run", "--", "/bin/true")
		for _, args := range [][]string{{"run", "--", "/bin/true"}, {"unseal"}} {
			c.wantFailure(21, "21", "security officer", args...)
		}
		for _, look := range []string{"doctor", "status"} {
			if o := c.run(look); o.code != 21 {
				t.Errorf("%s: exit %d\n%s", look, o.code, o.stdout)
			}
		}
		if n := c.module.CallsOf("C_Login"); n != 1 {
			t.Errorf("%s: %d logins", source, n)
		}
		c.wantFailure(21, "21", "security officer", "run", "--try-pin", "--", "/bin/true")
		if n := c.module.CallsOf("C_Login"); n != 2 {
			t.Errorf("%s: %d logins with --try-pin", source, n)
		}
		c.module.Plan() // unlocked
		c.wantFailure(21, "21", "--try-pin", "run", "--", "/bin/true")
		c.must("doctor", "--try-pin")
		c.must("run", "--", "/bin/true")
	}
}
