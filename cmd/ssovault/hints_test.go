package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// hintOf is the last line of a failure.
func hintOf(o outcome) string {
	_, hint, _ := strings.Cut(o.stderr, "ssovault: hint: ")
	return hint
}

// A hint names what helps in this very case, and nothing that is for another.
func TestHintsFitTheCase(t *testing.T) {
	c := newConnector(t)
	c.configure()
	whole := newPristine(c)
	elsewhere := filepath.Join(c.dir, "elsewhere")
	if err := os.Symlink(c.base, elsewhere); err != nil {
		t.Fatal(err)
	}
	file := c.bring("file", []byte("x"))
	for name, row := range map[string]struct {
		prepare func()
		args    []string
		exit    int
		hint    string
	}{
		"key store altered": {func() { c.edit("sso_keystore.pem", func(b []byte) []byte { return append(b, '\n') }) },
			[]string{"get", "sso_domain"}, 26, "put data/sso_keystore.pem back as it was"},
		"metadata altered": {func() { c.edit("idp_metadata.xml", func(b []byte) []byte { return append(b, '\n') }) },
			[]string{"get", "sso_domain"}, 26, "ssovault set saml_file=FILE"},
		"a property file altered": {func() { c.edit("shared.encp", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }) },
			[]string{"get", "sso_domain"}, 26, "restore both property files"},
		"base is a link":    {nil, []string{"--base", elsewhere, "get", "sso_domain"}, 30, "name the folder that the link leads to"},
		"base is no folder": {nil, []string{"--base", file, "get", "sso_domain"}, 30, "name the install folder"},
		"data is a link": {func() {
			if err := os.Rename(c.data(""), c.dir+"/moved"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(c.dir+"/moved", c.data("")); err != nil {
				t.Fatal(err)
			}
		}, []string{"get", "sso_domain"}, 30, "what a link leads to can be exchanged"},
		"no Crypto User": {func() { c.setSKS("sks.role", "cu") }, []string{"get", "sso_domain"}, 30, "set sks.role=user"},
		"away, unattended": {func() { c.module.Vanish() }, []string{"-config", "-answers", c.in + "/answers"}, 10,
			"then run this again. Only for an HSM that is gone for good"},
	} {
		t.Run(name, func(t *testing.T) {
			if row.prepare != nil {
				row.prepare()
			}
			o := c.run(row.args...)
			if hint := hintOf(o); o.code != row.exit || !strings.Contains(hint, row.hint) || strings.Contains(hint, "hsmusers") {
				t.Errorf("exit %d\n%s", o.code, o.stderr)
			}
			c.module.Return()
			if info, err := os.Lstat(c.data("")); err == nil && info.Mode()&os.ModeSymlink != 0 {
				if err := os.Remove(c.data("")); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(c.dir+"/moved", c.data("")); err != nil {
					t.Fatal(err)
				}
			}
			whole.restore()
		})
	}
	t.Run("the working directory is gone", func(t *testing.T) {
		gone := filepath.Join(c.dir, "gone")
		cmd := exec.Command("/bin/sh", "-c", `mkdir "$1" && cd "$1" && rmdir "$1" && exec "$2" get sso_domain`, "sh", gone, program(t))
		if o := execute(t, cmd); o.code != 30 || !strings.Contains(hintOf(o), "--base") || strings.Contains(hintOf(o), "hsmusers") {
			t.Errorf("exit %d\n%s", o.code, o.stderr)
		}
	})
}

// Whatever a command writes first, a read-only disk is what it is about.
func TestReadOnlyHint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("mounting needs root")
	}
	c := newConnector(t)
	c.configure()
	if err := syscall.Mount(c.base, c.base, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(c.base, syscall.MNT_DETACH)
	if err := syscall.Mount("", c.base, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"set", "admin_port=1"}, {"-disableSKS"}, {"accept"}, {"-config", "-answers", c.in + "/answers"}, {"backup", "--plaintext"}} {
		if o := c.run(args...); o.code != 30 || !strings.Contains(hintOf(o), "mounted read-only") {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
}

// SoftHSM is no device on a network: its hint names the variable, and the user who
// must be able to read.
func TestSoftHSMHint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("another user's folder needs root")
	}
	c := newConnector(t)
	c.must("-config", "-answers", c.bring("direct", []byte(strings.Replace(c.answers(), c.module.Path, c.token.Library, 1))))
	check := func(what string, o outcome, user string) {
		hint := hintOf(o)
		if o.code != 10 || !strings.Contains(hint, "SOFTHSM2_CONF") || !strings.Contains(hint, user) || strings.Contains(hint, "NTLS") {
			t.Errorf("%s: exit %d\n%s", what, o.code, o.stderr)
		}
	}
	for what, conf := range map[string]string{"none": "SOFTHSM2_CONF=", "missing": "SOFTHSM2_CONF=/no/such/file"} {
		cmd := c.command("get", "sso_domain")
		cmd.Env = append(cmd.Env, conf)
		check(what, execute(t, cmd), "user 0 (root)")
	}
	fresh := *c
	fresh.base = filepath.Join(c.dir, "fresh")
	if err := os.Mkdir(fresh.base, 0o700); err != nil {
		t.Fatal(err)
	}
	empty := c.token
	if empty.Dir = filepath.Join(c.dir, "no-tokens"); os.Mkdir(empty.Dir, 0o700) != nil {
		t.Fatal("no folder for no tokens")
	}
	empty.WriteConf(t, c.dir+"/empty.conf")
	cmd := fresh.command("-config", "-answers", c.in+"/direct")
	cmd.Env = append(cmd.Env, "SOFTHSM2_CONF="+c.dir+"/empty.conf")
	if o := execute(t, cmd); o.code != 2 || !strings.Contains(o.stderr, "sees no token: set SOFTHSM2_CONF") {
		t.Errorf("config: exit %d\n%s", o.code, o.stderr)
	}
	// Stepped down to the folder's owner, who may not read root's tokens.
	const nobody = 65534
	for dir := c.base; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", fmt.Sprint(nobody), c.base).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check("another user", c.run("get", "sso_domain"), "user 65534")
}

// The group is named where a vendor's file may not be read, and only there.
func TestGroupHint(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("another user's folder needs root")
	}
	c := newConnector(t)
	c.configure()
	for dir := c.base; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", "65534", c.base).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	library := filepath.Join(c.base, "..", "vendor", "lib.so")
	if err := os.MkdirAll(filepath.Dir(library), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.module.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c.setSKS("sks.library", filepath.Clean(library))
	if o := c.run("get", "sso_domain"); o.code != 30 || !strings.Contains(hintOf(o), "hsmusers") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}
