package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"
)

func TestBackupOfOpenSecrets(t *testing.T) {
	c := newConnector(t)
	c.configure()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := c.bring("age.key", []byte(identity.String()+"\n"))
	pass := c.bring("backup.pass", []byte("correct horse\n"))
	// Sealed settings and a key store with a password need none of it.
	password := c.bring("store.pass", []byte("changeit\n"))
	c.must("set", "ssl_file="+c.bring("tls.p12", tlsPKCS12(t, "changeit")), "--key-store-password-source", "file:"+password)
	c.must("backup", "verify", strings.TrimSpace(c.must("backup")))
	c.must("set", "ssl_file="+filepath.Join(c.in, "tls.pem"))
	for _, mode := range []string{"sealed", "clear"} {
		if mode == "clear" {
			c.must("-disableSKS")
		}
		o := c.run("backup")
		if o.code != 2 || !strings.Contains(o.stderr, "--plaintext") {
			t.Fatalf("%s: exit %d\n%s", mode, o.code, o.stderr)
		}
		before := c.dataTree()
		for _, row := range []struct {
			make, open []string
			wants      string // of whoever brings no key
		}{
			{[]string{"--plaintext"}, nil, ""},
			{[]string{"--encrypt-to", identity.Recipient().String()}, []string{"--identity", key}, "--identity"},
			{[]string{"--passphrase-source", "file:" + pass}, []string{"--passphrase-source", "file:" + pass}, "give '--passphrase'"},
		} {
			archive := strings.TrimSpace(c.must(append([]string{"backup"}, row.make...)...))
			if row.open != nil {
				if !strings.HasSuffix(archive, ".tar.zst.age") {
					t.Error(archive)
				}
				if o := c.run("backup", "verify", archive); o.code != 2 || !strings.Contains(o.stderr, row.wants) {
					t.Errorf("without the key: exit %d\n%s", o.code, o.stderr)
				}
				if b, err := os.ReadFile(archive); err != nil || strings.Contains(string(b), "sso_domain") {
					t.Error("the archive lies open", err)
				}
			}
			c.must(append([]string{"backup", "verify", archive}, row.open...)...)
			c.must(append([]string{"backup", "drill", archive}, row.open...)...)
			c.wipeData()
			c.must(append([]string{"restore", "--accept-sks", archive}, row.open...)...)
			if diff := cmp.Diff(before, c.dataTree()); diff != "" {
				t.Errorf("%s %v (-was +is):\n%s", mode, row.make, diff)
			}
		}
	}
	list := c.must("backup", "list", "--identity", key)
	if strings.Count(list, "in the clear") != 2 || strings.Count(list, "encrypted") != 2 || strings.Count(list, "(serial "+c.token.Serial+")") != 3 {
		t.Error(list)
	}
	for _, args := range [][]string{
		{"--encrypt-to", identity.String()}, {"--encrypt-to", "age1nonsense"}, {"--passphrase-source", "file"},
		{"--passphrase-source", "nonsense:"}, {"--passphrase", "--encrypt-to", identity.Recipient().String()},
	} {
		o := c.run(append([]string{"backup"}, args...)...)
		if o.code != 2 || strings.Contains(o.stderr, identity.String()) {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
}

// A passphrase is no PIN: what is wrong with it, or with its source, is said of it.
func TestPassphraseOfABackup(t *testing.T) {
	c := newConnector(t)
	c.configure()
	right, wrong := c.bring("right", []byte("correct horse\n")), c.bring("wrong", []byte("correct hose\n"))
	empty, open := c.bring("empty", nil), c.bring("open", []byte("correct horse\n"))
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	archive := c.backup("--passphrase-source", "file:"+right)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup"}, {"restore", archive}, {"backup", "verify", archive}, {"backup", "drill", archive}} {
		for _, row := range []struct {
			flags []string
			exit  int
			says  string
		}{
			{[]string{"--passphrase"}, 2, "the passphrase of the backup: "},
			{[]string{"--passphrase-source", "file:" + c.in + "/none"}, 2, "look at the source that --passphrase-source names"},
			{[]string{"--passphrase-source", "file:" + empty}, 2, "look at the source that --passphrase-source names"},
			{[]string{"--passphrase-source", "file:" + open}, 30, "then change the passphrase"},
		} {
			cmd := c.command(append(args, row.flags...)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal
			o := execute(t, cmd)
			if o.code != row.exit || !strings.Contains(o.stderr, row.says) || strings.Contains(o.stderr, "PIN") {
				t.Errorf("%v %v: exit %d\n%s", args, row.flags, o.code, o.stderr)
			}
		}
	}
	for _, args := range [][]string{
		{"--passphrase-source", "file:" + wrong},
		{"--passphrase-source", "file:" + wrong, "--identity", c.bring("age.key", []byte(identity.String()+"\n"))},
	} {
		if o := c.run(append([]string{"backup", "verify", archive}, args...)...); o.code != 2 || !strings.Contains(o.stderr, "the passphrase is wrong") {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	// To a recipient: no passphrase would do.
	other := c.backup("--encrypt-to", identity.Recipient().String(), filepath.Join(c.in, "other.age"))
	if o := c.run("backup", "verify", "--passphrase-source", "file:"+right, other); o.code != 2 || strings.Contains(o.stderr, "wrong") || !strings.Contains(o.stderr, "--identity") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	// Typed, it may be wrong twice.
	for slips, want := range map[int]int{2: 0, 3: 2} {
		var answers []string
		for range slips {
			answers = append(answers, "nonsense")
		}
		shown, code := c.onTerminal(append(answers, "correct horse"), "never", "", "backup", "verify", "--passphrase", archive)
		if code != want || strings.Count(shown, "Passphrase of the backup: ") != min(slips+1, 3) || strings.Contains(shown, "nonsense") {
			t.Errorf("after %d: exit %d\n%s", slips, code, shown)
		}
	}
}

// tlsPKCS12 is a key store with a password.
func tlsPKCS12(t testing.TB, password string) []byte {
	t.Helper()
	both := tlsPEM(t, "sso.example.com")
	pair, err := tls.X509KeyPair(both, both)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pkcs12.Modern.Encode(pair.PrivateKey, pair.Leaf, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A PIN in a variable makes ssovault start again without it; the restore must
// happen once all the same.
func TestRestoreWithThePINInAVariable(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.edit("sks.properties", func(b []byte) []byte {
		return []byte(strings.ReplaceAll(string(b), "sks.pin=file\n", "sks.pin=env:HSM_PIN\n"))
	})
	archive := c.backup(filepath.Join(c.in, "kept.tar.zst"))
	with := func(args ...string) outcome {
		cmd := c.command(args...)
		cmd.Env = append(cmd.Env, "HSM_PIN="+c.token.PIN)
		return execute(t, cmd)
	}
	for i, lost := range []bool{false, true} {
		args := []string{"restore", "--must-open", archive}
		if lost {
			c.wipeData()
			args = append(args, "--accept-sks")
		}
		if o := with(args...); o.code != 0 || strings.Count(o.stdout, "restored") != 1 {
			t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
		}
		if kept, _ := filepath.Glob(c.base + "/*data.*"); len(kept) != 1 {
			t.Errorf("run %d: %v", i, kept)
		}
	}
	if o := with("backup", "drill", archive); o.code != 0 {
		t.Errorf("drill: exit %d\n%s", o.code, o.stderr)
	}
}
