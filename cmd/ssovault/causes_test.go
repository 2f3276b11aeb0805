package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ssovault/internal/p11test"
)

// wantFailure runs ssovault and wants this very failure: its code, its three

// lines, one ERROR line in the log, and nothing changed on the disk.

func (c *connector) wantFailure(exit int, letter, text string, args ...string) outcome {
	c.t.Helper()
	before := c.tree()
	logBefore := c.errorLines()
	o := c.run(args...)
	if o.code != exit {
		c.t.Errorf("exit %d, want %d\n%s", o.code, exit, o.stderr)
		return o
	}
	var lines []string
	for line := range strings.Lines(o.stderr) {
		if strings.HasPrefix(line, "ssovault: ") && !strings.HasPrefix(line, "ssovault: warning") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "ssovault: Unable to use Secure Key Storage: ") ||
		!strings.HasPrefix(lines[1], "ssovault: cause ("+letter+"): ") || !strings.HasPrefix(lines[2], "ssovault: hint: ") {
		c.t.Errorf("not the three lines:\n%s", o.stderr)
	}
	if !strings.Contains(o.stderr, text) {
		c.t.Errorf("it does not say %q:\n%s", text, o.stderr)
	}
	if o.stdout != "" {
		c.t.Errorf("on standard output: %q", o.stdout)
	}
	logged := c.errorLines()[len(logBefore):]
	if len(logged) != 1 || logged[0]["cause"] != letter || logged[0]["exit"] != float64(exit) {
		c.t.Errorf("logged: %v", logged)
	}
	after := c.tree()
	delete(after, "run/pin-refused") // what is remembered of a refusal
	delete(before, "run/pin-refused")
	if !maps.Equal(before, after) {
		c.t.Errorf("the disk has changed:\n%v\n%v", before, after)
	}
	return o
}

// errorLines reads the log.

func (c *connector) errorLines() []map[string]any {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.base, "logs", "ssovault.log"))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	var lines []map[string]any
	for line := range bytes.Lines(b) {
		var v map[string]any
		if err := json.Unmarshal(line, &v); err != nil {
			c.t.Fatalf("the log line %q: %v", line, err)
		}
		if v["level"] == "error" {
			lines = append(lines, v)
		}
	}
	return lines
}

// edit changes a file in data/ as an attacker or an accident would.

func (c *connector) edit(name string, change func([]byte) []byte) {
	c.t.Helper()
	b, err := os.ReadFile(c.data(name))
	if err == nil {
		err = os.WriteFile(c.data(name), change(b), 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *connector) removeData(name string) {
	c.t.Helper()
	if err := os.Remove(c.data(name)); err != nil {
		c.t.Fatal(err)
	}
}

// setSKS changes one key of sks.properties.

func (c *connector) setSKS(key, value string) {
	c.edit("sks.properties", func(b []byte) []byte {
		var out []string
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, key+"=") {
				out = append(out, line)
			}
		}
		return []byte(strings.Join(out, "") + key + "=" + value + "\n")
	})
}

func replaceOnce(old, new string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
}

// Every row of the manual's table, met for real: a token behind a module that

// fails, files that are damaged, PINs that are wrong.

func TestEveryCause(t *testing.T) {
	c := newConnector(t)
	c.configure()
	whole := newPristine(c)
	pinFile := filepath.Join(c.base, "sks.pin")
	writePIN := func(pin string, mode os.FileMode) func() {
		return func() {
			if err := os.WriteFile(pinFile, []byte(pin), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(pinFile, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	plan := func(lines ...string) func() { return func() { c.module.Plan(lines...) } }
	quick := func(lines ...string) func() {
		return func() {
			c.setSKS("sks.timeout.use", "1s")
			c.setSKS("sks.timeout.question", "1s")
			c.module.Plan(lines...)
		}
	}
	tool := func(args ...string) {
		t.Helper()
		cmd := exec.Command("pkcs11-tool", append([]string{"--module", c.token.Library, "--token-label", c.token.Label, "--login", "--pin", c.token.PIN}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	keyID := func() string {
		return strings.TrimSpace(strings.Split(c.must("status", "--json"), `"id": "`)[1][:32])
	}
	aesKey := func(id string) {
		// The same id and label as ours, and another value.
		tool("--keygen", "--key-type", "AES:32", "--id", id, "--label", "SSO Vault Properties x")
	}
	for _, row := range []struct {
		name   string
		do     func()
		exit   int
		letter string
		text   string
	}{
		{"library missing", func() { c.setSKS("sks.library", "/usr/lib/none.so") }, 10, "a", "there is no PKCS#11 library"},
		{"library is no library", func() {
			c.setSKS("sks.library", c.bring("nolib.so", []byte("not ELF")))
		}, 10, "a", "nolib.so"},
		{"token gone", func() { c.module.Vanish() }, 10, "a", "hint: check the network"},
		{"hang", quick("on C_Login * hang"), 10, "a", "did not answer"},
		{"hang at decryption", quick("on C_Decrypt * hang"), 10, "a", "did not answer"},
		{"crash", plan("on C_Decrypt 1 crash"), 10, "a", "crashed"},
		{"exit", plan("on C_FindObjectsInit 1 exit 3"), 10, "a", "status 3"},
		{"sessions lost", plan("on C_FindObjects 1 lose-sessions"), 10, "a", "SESSION"},
		{"device error", plan("on C_Decrypt * return 0x30"), 10, "a", "CKR_DEVICE_ERROR"},
		{"sick: GENERAL_ERROR for everything", plan("on C_Decrypt * return 0x5", "on C_Encrypt * return 0x5"), 10, "a", "also fails at something fresh"},
		{"no sks.properties", func() { c.removeData("sks.properties") }, 11, "b", "no sks.properties"},
		{"no data", func() { os.RemoveAll(c.data("")) }, 11, "b", "no configuration"},
		{"shared missing", func() { c.removeData("shared.encp") }, 12, "c", "shared.encp is missing"},
		{"instance missing", func() { c.removeData("instance.encp") }, 12, "c", "instance.encp is missing"},
		{"key deleted", func() { tool("--delete-object", "--type", "secrkey", "--id", keyID()) }, 13, "d", "partition"},
		{"GCM taken away", plan("no-mechanism 0x1087"), 15, "f", "firmware"},
		{"key store missing", func() { c.removeData("sso_keystore.pem") }, 16, "g", "sso_keystore.pem"},
		{"metadata missing", func() { c.removeData("idp_metadata.xml") }, 16, "g", "idp_metadata.xml"},
		{"key store missing, sks.properties malformed", func() {
			c.removeData("sso_keystore.pem")
			c.setSKS("sks.pin", "no source")
		}, 16, "g", "sso_keystore.pem"},
		{"wrong PIN", writePIN("0000\n", 0o600), 20, "20", "refused"},
		{"PIN locked", plan("flags 0x00040000 0x0"), 21, "21", "locked"},
		{"final try", plan("flags 0x00020000 0x0"), 20, "20", "--try-pin"},
		{"PIN expired", plan("on C_FindObjectsInit * return 0xA3"), 22, "22", "expired"},
		{"PIN file empty", writePIN("\n", 0o600), 22, "22", "empty"},
		{"PIN file gone", func() { os.Remove(pinFile) }, 22, "22", "no file"},
		{"PIN file open", writePIN(c.token.PIN, 0o644), 30, "30", "open to others"},
		{"two keys of the id", func() { aesKey(keyID()) }, 23, "23", "list the keys"},
		{"key replaced under its id", func() {
			id := keyID()
			tool("--delete-object", "--type", "secrkey", "--id", id)
			aesKey(id)
		}, 24, "24", "does not open the key proof"},
		{"sks.properties names another key", func() { // no device is asked
			c.setSKS("sks.key.id", strings.Repeat("ab", 16))
			c.module.Vanish()
		}, 24, "24", "data/sks.properties names the key of id " + strings.Repeat("ab", 16) + ", but the key that sealed data/instance.encp has the id " + keyID()},
		{"two files swapped", func() {
			a, _ := os.ReadFile(c.data("instance.encp"))
			b, _ := os.ReadFile(c.data("shared.encp"))
			c.edit("instance.encp", func([]byte) []byte { return b })
			c.edit("shared.encp", func([]byte) []byte { return a })
		}, 25, "25", "swapped"},
		{"damaged", func() { c.edit("shared.encp", func(b []byte) []byte { b[len(b)-50] ^= 4; return b }) }, 26, "26", "digest"},
		{"cut short", func() { c.edit("shared.encp", func(b []byte) []byte { return b[:len(b)-1] }) }, 26, "26", "digest"},
		{"key store swapped", func() { c.edit("sso_keystore.pem", func([]byte) []byte { return tlsPEM(t, "evil.example.com") }) }, 26, "26", "sso_keystore.pem"},
		{"metadata swapped", func() { c.edit("idp_metadata.xml", replaceOnce("idp.example", "evil.example")) }, 26, "26", "idp_metadata.xml"},
		{"not ours", func() { c.edit("shared.encp", func([]byte) []byte { return []byte("sso_domain=acme\n") }) }, 28, "28", "not a sealed file"},
		{"newer format", func() { c.edit("shared.encp", replaceOnce("file 1\n", "file 2\n")) }, 28, "28", "newer version"},
		{"clear beside sealed", func() { os.WriteFile(c.data("shared.properties"), []byte("sso_domain=evil\n"), 0o600) }, 29, "29", "not read"},
		{"base open to all", func() { os.Chmod(c.base, 0o777) }, 30, "30", "written to by others"},
		{"locked down", plan("on C_Login * return 0x80000076"), 32, "32", "vendor"},
	} {
		t.Run(row.name, func(t *testing.T) {
			whole.restore()
			c.module.Return()
			c.module.Plan()
			c.module.Reset()
			c.t = t
			row.do()
			if row.exit == 30 && row.name == "base open to all" {
				// Nothing is written there, so not to its log either.
				if o := c.run("unseal"); o.code != 30 || !strings.Contains(o.stderr, row.text) {
					t.Errorf("exit %d\n%s", o.code, o.stderr)
				}
				return
			}
			c.wantFailure(row.exit, row.letter, row.text, "unseal")
		})
	}
	c.t = t
	t.Run("garbage on standard output", func(t *testing.T) {
		whole.restore()
		c.module.Reset()
		c.module.Plan("on C_Decrypt 1 garbage 100000", "on C_Login 1 garbage 5000")
		if o := c.run("unseal", "--file", "shared"); o.code != 0 || !strings.HasPrefix(o.stdout, "sso_domain=acme\n") || o.stderr != "" {
			t.Errorf("exit %d, %q\n%s", o.code, o.stdout[:min(60, len(o.stdout))], o.stderr)
		}
	})
	t.Run("another ssovault holds the lock", func(t *testing.T) {
		whole.restore()
		lock, err := os.OpenFile(filepath.Join(c.base, "run", ".lock"), os.O_RDWR, 0)
		if err == nil {
			err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		c.wantFailure(31, "31", "held by another ssovault", "unseal", "--lock-wait", "50ms")
	})
}

// The three that give one code on SoftHSM: altered bytes, another key, a sick

// device.

func TestGeneralErrorIsToldApart(t *testing.T) {
	c := newConnector(t)
	c.configure()
	whole := newPristine(c)
	// Altered so that the digest fits: only the device can tell.
	c.edit("shared.encp", func(b []byte) []byte { b[len(b)-50] ^= 4; return resealDigest(b) })
	c.wantFailure(26, "26", "the file was altered", "unseal")
	whole.restore()
	c.module.Plan("on C_Decrypt * return 0x5", "on C_Encrypt * return 0x5")
	c.wantFailure(10, "a", "fresh", "unseal")
}

// Causes (e) and (f) on what really has them: a file system of 64 KiB, and a

// token without GCM.

func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("mounting a small tmpfs needs root")
	}
	c := newConnector(t)
	if err := syscall.Mount("tmpfs", c.base, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(c.base, syscall.MNT_DETACH)
	c.configure()
	c.must("status")
	fill := filepath.Join(c.data(""), "cache.sql")
	if err := os.WriteFile(fill, make([]byte, 64<<10), 0o600); err == nil {
		t.Fatal("the file system is not full")
	}
	before := c.tree()
	for _, args := range [][]string{{"set", "admin_port=9999"}, {"-disableSKS"}, {"-config", "-answers", c.in + "/answers"}} {
		o := c.run(args...)
		if o.code != 14 || !strings.Contains(o.stderr, "cause (e): the disk is full") || !strings.Contains(o.stderr, "nothing was lost") {
			t.Errorf("%s: exit %d\n%s", args, o.code, o.stderr)
		}
		if !maps.Equal(before, c.tree()) {
			t.Errorf("%s: the disk has changed", args)
		}
	}
	// The service still starts.
	if o := c.run("run", "--", "/bin/true"); o.code != 0 {
		t.Errorf("run: exit %d\n%s", o.code, o.stderr)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	c.must("set", "admin_port=9999")
}

// A mount point of its own is full while BASE is not.
func TestDiskOfDataFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("mounting a small tmpfs needs root")
	}
	c := newConnector(t)
	if err := os.Mkdir(c.data(""), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", c.data(""), "tmpfs", 0, "size=1500k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(c.data(""), syscall.MNT_DETACH)
	c.configure()
	if o := c.run("doctor"); o.code != 0 || !strings.Contains(o.stdout, " MiB free for "+c.base+", logs/, run/\n") || !strings.Contains(o.stdout, "1 MiB free for data/\n") {
		t.Errorf("exit %d\n%s", o.code, o.stdout)
	}
	if err := os.WriteFile(c.data("cache.sql"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := c.run("doctor"); o.code != 14 || !strings.Contains(o.stdout, "0 MiB free for data/") {
		t.Errorf("exit %d\n%s", o.code, o.stdout)
	}
}

func TestTokenWithoutGCM(t *testing.T) {
	c := newConnector(t)
	token := p11test.Opencryptoki(t)
	c.bring("token.pin", []byte(token.PIN+"\n"))
	answers := c.bring("answers", []byte(strings.NewReplacer(
		"sks_type=SoftHSM", "sks_type=Other", c.module.Path, token.Library, "sks_slot="+c.token.Serial, "sks_slot="+token.Label).Replace(c.answers())))
	before := token.Snapshot(t)
	o := c.run("-config", "-answers", answers)
	if o.code != 15 || !strings.Contains(o.stderr, "cause (f)") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if after := token.Snapshot(t); after != before {
		t.Errorf("left in the token:\n%s", after)
	}
	if files := c.tree(); len(files) != 0 {
		t.Errorf("left on the disk: %v", files)
	}
}

// A disk that turned read-only keeps no service from starting.

func TestReadOnly(t *testing.T) {
	c := newConnector(t)
	c.configure()
	if err := syscall.Mount(c.base, c.base, "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(c.base, syscall.MNT_DETACH)
	if err := syscall.Mount("", c.base, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run", "--", "/bin/true"}, {"get", "sso_domain"}, {"status"}, {"doctor"}} {
		if o := c.run(args...); o.code != 0 {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	if o := c.run("set", "admin_port=1"); o.code != 30 || !strings.Contains(o.stderr, "read-only") {
		t.Errorf("set: %+v", o)
	}
}

// A descriptor that nobody handed over is none, whatever the program itself

// has open under that number.

// A PIN's time is not wasted on a token that is already known to be away, and

// a library that is gone for a while comes back without a word.

func TestAwayAndBack(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.module.Vanish()
	c.wantFailure(10, "a", "port 1792", "unseal")
	c.module.Return()
	c.must("unseal")
}

// Another instance on the same token: its file is not taken for ours.

// A hostile base, and what belongs to somebody else.

// open lets other users pass through a folder and those above it.

// A hung library is a matter of its deadline and not of the five minutes that

// a Luna takes.

func TestHangEndsAtTheDeadline(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.setSKS("sks.timeout.use", "500ms")
	c.module.Plan("on C_Login * hang")
	done := make(chan outcome, 1)
	go func() { done <- c.run("unseal") }()
	select {
	case o := <-done:
		if o.code != 10 {
			t.Errorf("exit %d\n%s", o.code, o.stderr)
		}
	case <-time.After(time.Minute): // a bound for the broken case only
		t.Fatal("it hangs")
	}
}

// A key of the same label is not ours: keys are found by their id. doctor

// names it.
