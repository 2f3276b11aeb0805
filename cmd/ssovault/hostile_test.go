package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRollback(t *testing.T) {
	c := newConnector(t)
	c.configure()
	old := map[string][]byte{}
	for _, name := range []string{"instance.encp", "shared.encp"} {
		old[name], _ = os.ReadFile(c.data(name))
	}
	c.must("set", "admin_port=9999")
	putBack := func() {
		for name, b := range old {
			if err := os.WriteFile(c.data(name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	putBack()
	o := c.run("get", "admin_port")
	if o.code != 0 || o.stdout != "8080\n" || !strings.Contains(o.stderr, "warning: the files are generation 1, the HSM remembers 2") {
		t.Errorf("%+v", o)
	}
	c.setSKS("rollback", "refuse")
	c.wantFailure(27, "27", "ssovault accept", "unseal")
	if out := c.must("accept", "--json"); !strings.Contains(out, `"accepted": true`) || !strings.Contains(out, `"from_generation": 1`) || !strings.Contains(out, `"remembered_generation": 2`) || !strings.Contains(out, `"generation": 3`) {
		t.Error(out)
	}
	putBack()
	if out := c.must("accept"); !strings.HasPrefix(out, "accepted: instance ") || !strings.Contains(out, "generation 1, is now generation 4, the newest that the HSM remembers (it was 3)\n") {
		t.Error(out)
	}
	if out := c.must("accept"); !strings.HasPrefix(out, "nothing to accept: instance ") || !strings.Contains(out, "generation 4 is the newest") {
		t.Error(out)
	}
	if o := c.run("get", "admin_port"); o.code != 0 || o.stdout != "8080\n" || o.stderr != "" {
		t.Errorf("after accept: %+v", o)
	}
	if status := c.must("status", "--json"); !strings.Contains(status, `"generation": 4`) {
		t.Error(status)
	}
}

func TestAnotherInstance(t *testing.T) {
	c := newConnector(t)
	c.configure()
	mine, err := os.ReadFile(c.data("instance.encp"))
	if err != nil {
		t.Fatal(err)
	}
	other := *c
	other.base = filepath.Join(c.dir, "other")
	if err := os.Mkdir(other.base, 0o700); err != nil {
		t.Fatal(err)
	}
	other.configure()
	if err := os.WriteFile(other.data("instance.encp"), mine, 0o600); err != nil {
		t.Fatal(err)
	}
	other.wantFailure(25, "25", "belongs to instance", "unseal")
	c.must("unseal")
}

func TestEveryBitFlipAndTruncation(t *testing.T) {
	c := newConnector(t)
	c.configure()
	whole := newPristine(c)
	for _, name := range []string{"instance.encp", "shared.encp"} {
		good, err := os.ReadFile(c.data(name))
		if err != nil {
			t.Fatal(err)
		}
		// Each bit is tried in internal/encp; here some, through the program.
		for i := 0; i < len(good); i += 37 {
			for what, b := range map[string][]byte{"flipped": flip(good, i), "cut": good[:i]} {
				if err := os.WriteFile(c.data(name), b, 0o600); err != nil {
					t.Fatal(err)
				}
				o := c.run("unseal")
				if o.code != 26 && o.code != 28 || !strings.Contains(o.stderr, name) || o.stdout != "" {
					t.Errorf("%s %s at %d: exit %d\n%s", name, what, i, o.code, o.stderr)
				}
			}
		}
		whole.restore()
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1 << (at % 8)
	return b
}

func TestHostileBase(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("becoming another user needs root")
	}
	const nobody = 65534
	c := newConnector(t)
	c.configure()
	whole := newPristine(c)
	asNobody := func(args ...string) outcome {
		cmd := c.command(args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return execute(t, cmd)
	}
	open(t, c.dir)
	if o := asNobody("unseal"); o.code != 30 {
		t.Errorf("another user: exit %d\n%s", o.code, o.stderr)
	}
	link := filepath.Join(c.dir, "link")
	if err := os.Symlink(c.base, link); err != nil {
		t.Fatal(err)
	}
	if o := c.run("--base", link, "unseal"); o.code != 30 || !strings.Contains(o.stderr, "is a link") {
		t.Errorf("a link: exit %d\n%s", o.code, o.stderr)
	}
	// Another user's library.
	copied := c.bring("lib.so", nil)
	if out, err := exec.Command("cp", c.token.Library, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.setSKS("sks.library", copied)
	c.must("unseal")
	if err := os.Chown(copied, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	c.wantFailure(30, "30", "lib.so", "unseal")
	whole.restore()
	// Root on another user's folder steps down: it cannot read what that user
	// cannot, and what it makes is that user's.
	for _, dir := range []string{c.base, c.token.Dir, filepath.Dir(c.module.Path), filepath.Dir(c.token.Conf)} {
		open(t, dir)
		// As most do it: the group stays root's.
		if out, err := exec.Command("chown", "-R", fmt.Sprint(nobody), dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	c.must("set", "admin_port=9999")
	out := c.must("run", "--", "/bin/sh", "-c", "id -u; id -G; "+printChildren+"cat $SSOVAULT_INSTANCE")
	if !strings.HasPrefix(out, fmt.Sprintf("%d\n%d\n\n", nobody, nobody)) || !strings.Contains(out, "admin_port=9999") {
		t.Errorf("the service runs as and got:\n%s", out)
	}
	info, err := os.Stat(c.data("shared.encp"))
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != nobody {
		t.Errorf("owner of what was made: %v, %v", info, err)
	}
	// Where that user may not write, root is told why it may not either.
	rootOnly := filepath.Join(c.dir, "root-only")
	if err := os.Mkdir(rootOnly, 0o700); err != nil {
		t.Fatal(err)
	}
	before := c.dataTree()
	for _, args := range [][]string{
		{"backup", "--plaintext", rootOnly + "/x"},
		{"backup", "--plaintext", rootOnly + "/deeper/x"},
		{"recovery", "init", "--generate", "-o", rootOnly + "/identity.txt"},
		{"recovery", "init", "--generate", "--shares", "3", "--threshold", "2", "--share-dir", rootOnly},
	} {
		o := c.run(args...)
		if o.code != 30 || !strings.Contains(o.stderr, "ssovault works as nobody, whose folder "+c.base+" is, and nobody may not write to "+rootOnly) || !strings.Contains(o.stderr, "as root") {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	if left, err := os.ReadDir(rootOnly); err != nil || len(left) > 0 || !maps.Equal(before, c.dataTree()) {
		t.Errorf("something was written: %v, %v", left, err)
	}
}

func open(t *testing.T, dir string) {
	t.Helper()
	for ; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil {
			err = os.Chmod(dir, info.Mode().Perm()|0o055)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSecondKeyOfTheSameLabel(t *testing.T) {
	c := newConnector(t)
	c.configure()
	label := strings.Split(strings.Split(c.must("inspect", c.data("shared.encp")), "key-label: ")[1], "\n")[0]
	cmd := exec.Command("pkcs11-tool", "--module", c.token.Library, "--token-label", c.token.Label, "--login", "--pin", c.token.PIN,
		"--keygen", "--key-type", "AES:32", "--id", strings.Repeat("5a", 16), "--label", label)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pkcs11-tool (package opensc): %v\n%s", err, out)
	}
	c.must("run", "--", "/bin/true")
	c.must("set", "admin_port=9999")
	if out := c.must("doctor"); !strings.Contains(out, "other keys of this instance") {
		t.Errorf("doctor does not name it:\n%s", out)
	}
}
