package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/creack/pty"

	"ssovault/internal/p11test"
)

// retired runs key retire and gives the state of each key by its label's end:
// " -2" is the second.
func (k *keyScene) retired(args ...string) map[string]string {
	k.t.Helper()
	var r retireReport
	if err := json.Unmarshal([]byte(k.must(append([]string{"key", "retire", "--json"}, args...)...)), &r); err != nil {
		k.t.Fatal(err)
	}
	states := map[string]string{}
	for _, key := range r.Keys {
		states[strings.TrimPrefix(key.Label, "SSO Vault Properties "+r.Instance)] = key.State
	}
	return states
}

func TestKeyRetire(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	instance := strings.TrimSpace(k.must("get", "instance_number"))
	label := "SSO Vault Properties " + instance
	stored := k.backup()
	k.must("rotate")
	away := k.backup(filepath.Join(k.in, "away.tar.zst"))
	k.must("rotate")
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	key := k.bring("identity", []byte(identity.String()+"\n"))
	locked := strings.TrimSpace(k.must("backup", "--encrypt-to", identity.Recipient().String(), filepath.Join(k.in, "locked.age")))
	k.must("rotate")
	k.must("rotate")
	// 1: stored; 2: elsewhere; 3: encrypted elsewhere; 4: nothing; 5: present.
	want := map[string]string{"": "needed", " -2": "needed", " -3": "needed", " -4": "free", " -5": "needed"}
	if got := k.retired("--dry-run"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, row := range []struct {
		code int
		text string
		args []string
	}{
		{2, "no terminal", nil},
		{2, "neither the label nor the id", []string{"--yes", "nonsense"}},
		{2, "named twice", []string{"--yes", label, "--label", label}},
		{2, "--library goes with --token", []string{"--yes", "--library", "/x.so"}},
		{2, "no slot number, label or serial number", []string{"--yes", "--token", "nowhere"}},
		{2, "would only cost a try", []string{"--yes", "--token", k.second.Serial, "--pin-source", "file"}},
		{2, "data/sks.properties", []string{"--yes", label + " -5"}},
		{2, stored, []string{"--yes", label}},
		{2, away, []string{"--yes", "--label", label + " -2"}},
		{2, locked, []string{"--yes", label + " -3"}},
		{0, "nothing to do", []string{"--yes", label + " -9"}},
		{0, "could be retired", []string{"--dry-run"}},
	} {
		k.unchanged(row.code, row.text, append([]string{"key", "retire"}, row.args...)...)
	}

	// An encrypted backup that the register does not know may need any key.
	unknown := filepath.Join(k.base, "backups", "unknown.age")
	content, err := os.ReadFile(locked)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(unknown, content, 0o600); err != nil {
		t.Fatal(err)
	}
	k.unchanged(2, "--identity FILE", "key", "retire", "--yes", label+" -4")
	if got := k.retired("--yes", "--identity", key); got[" -4"] != "retired" || len(got) != 5 {
		t.Errorf("%v", got)
	}
	k.holds("one retired", k.token, 4, 1)
	if err := os.Remove(unknown); err != nil {
		t.Fatal(err)
	}

	// A backup that is gone counts, until the administrator says otherwise.
	for _, path := range []string{stored, away} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if got := k.retired("--yes"); got[""] != "retired" || got[" -2"] != "needed" {
		t.Errorf("%v", got)
	}
	if got := k.retired("--yes", "--ignore-missing-backups"); got[" -2"] != "retired" || got[" -3"] != "needed" {
		t.Errorf("%v", got)
	}
	k.must("doctor")
	k.must("unseal")

	// An older copy of this folder retires nothing.
	copied := filepath.Join(k.dir, "copied")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(k.base, "data"))); err != nil {
		t.Fatal(err)
	}
	k.must("set", "admin_port=9999")
	newest := filepath.Join(k.dir, "newest")
	if err := os.Rename(filepath.Join(k.base, "data"), newest); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(copied, filepath.Join(k.base, "data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(k.base, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	k.unchanged(27, "may be a copy", "key", "retire", "--yes")
}

// A key is removed only while the present one opens the files.
func TestKeyRetireOpensTheFilesFirst(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	k.must("migrate", "--to", k.second.Serial, "--to-pin-source", "file:"+k.in+"/second.pin")
	k.bring("second.pin", []byte("another\n"))
	k.unchanged(0, "", "status")
	if o := k.run("key", "retire", "--yes", "--token", k.token.Serial, "--pin-source", "file:"+k.in+"/token.pin"); o.code != 20 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	k.holds("not opened", k.token, 1, 1)
	k.bring("second.pin", []byte(k.second.PIN+"\n"))
	k.must("key", "retire", "--yes", "--token", k.token.Serial, "--pin-source", "file:"+k.in+"/token.pin")
	k.holds("retired", k.token, 0, 1)
	k.must("unseal")
}

// On a terminal the label of each key has to be typed.
func TestKeyRetireAsks(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	label := "SSO Vault Properties " + strings.TrimSpace(k.must("get", "instance_number"))
	k.must("rotate")
	k.must("rotate")
	for _, row := range []struct {
		answers [2]string
		last    string
		left    int
	}{
		{[2]string{"", "no"}, "that is not its label", 3},
		{[2]string{label, label + " -2"}, " -3 (id ", 1},
	} {
		cmd := k.command("key", "retire")
		terminal, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		d := &typing{t: t, terminal: terminal}
		for _, answer := range row.answers {
			d.await("Enter leaves it): ")
			// Nothing is held meanwhile.
			k.must("unseal", "--file", "shared")
			d.answer(answer)
		}
		d.await(row.last)
		_ = cmd.Wait()
		terminal.Close()
		k.holds(row.last, k.token, row.left, 1)
	}
}

// A backup elsewhere that is cut off anywhere: what bears its name is known.
func TestBackupElsewhereIsRegistered(t *testing.T) {
	c := newConnector(t)
	c.configure()
	archive := filepath.Join(c.in, "away.tar.zst")
	args := []string{"backup", "--plaintext", archive}
	fault := fileFault(p11test.Sysfault(t), "kill")
	pristine := newPristine(c)
	if o := execute(t, fault.wrap(c, 0, args)); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	n := fault.count(c)
	for _, i := range points(t.Name(), n) {
		pristine.restore()
		if err := os.RemoveAll(archive); err != nil {
			t.Fatal(err)
		}
		_ = execute(t, fault.wrap(c, i, args))
		there, known := exists(archive), strings.Contains(c.tree()["run/backups.json"], archive)
		if there && !known {
			t.Errorf("kill at call %d of %d: nobody knows of %s", i, n, archive)
		}
	}
	pristine.restore()
	c.bring("away.tar.zst", nil)
	if o := c.run(args...); o.code != 2 || strings.Contains(c.tree()["run/backups.json"], archive) {
		t.Errorf("a backup that did not come to be: exit %d\n%s", o.code, c.tree()["run/backups.json"])
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
