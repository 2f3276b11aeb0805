package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
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
	if got := k.retired("--yes"); got[""] != "needed" || got[" -2"] != "needed" {
		t.Errorf("%v", got)
	}
	if got := k.retired("--yes", "--ignore-missing-backups"); got[""] != "retired" || got[" -2"] != "retired" || got[" -3"] != "needed" {
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

// Backups of BASE/backups that are elsewhere just now still need their key; those
// that prune removed do not.
func TestKeyRetireKnowsBackupsThatAreAway(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	label := "SSO Vault Properties " + strings.TrimSpace(k.must("get", "instance_number"))
	stored := k.backup()
	k.must("rotate")
	dir, away := filepath.Join(k.base, "backups"), filepath.Join(k.dir, "nas")
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	rename(dir, away)
	k.unchanged(2, stored+" (it is not there any more)", "key", "retire", "--yes", label)
	if err := os.Symlink(filepath.Join(k.dir, "unmounted"), dir); err != nil {
		t.Fatal(err)
	}
	if o := k.run("key", "retire", "--yes", "--ignore-missing-backups", label); o.code != 2 || !strings.Contains(o.stderr, dir+" (it leads to where nothing is)") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	k.holds("away", k.token, 2, 1)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	rename(away, dir)
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	rename(stored, filepath.Join(dir, "old", filepath.Base(stored)))
	k.unchanged(2, "look at it, or move it out of backups/", "key", "retire", "--yes", "--ignore-missing-backups", label)
	rename(filepath.Join(dir, "old", filepath.Base(stored)), stored)
	if err := os.Remove(filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	packed := filepath.Join(dir, "data.tgz")
	if err := os.WriteFile(packed, []byte{0x1f, 0x8b}, 0o600); err != nil {
		t.Fatal(err)
	}
	k.unchanged(2, packed+" (ssovault does not know what it is)", "key", "retire", "--yes", label)
	if err := os.Remove(packed); err != nil {
		t.Fatal(err)
	}

	k.backup() // under the second key
	k.must("backup", "prune", "--keep-last", "1")
	if exists(stored) || strings.Contains(k.tree()["run/backups.json"], stored) {
		t.Errorf("pruned, but still registered: %s", k.tree()["run/backups.json"])
	}
	if got := k.retired("--yes"); got[""] != "retired" || got[" -2"] != "needed" {
		t.Errorf("%v", got)
	}
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

// An old copy in the clear says nothing of its age, and the live folder may use
// the keys.
func TestKeyRetireFromACopyInTheClear(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	k.must("migrate", "--to-clear")
	old := filepath.Join(k.dir, "old")
	if err := exec.Command("cp", "-a", k.base, old).Run(); err != nil {
		t.Fatal(err)
	}
	source := "file:" + k.in + "/token.pin"
	token := []string{"--token", k.token.Serial, "--library", k.module.Path, "--pin-source", source}
	k.must("migrate", "--to", k.token.Serial, "--library", k.module.Path, "--to-pin-source", source)
	k.must("set", "admin_port=9999")
	live := k.base
	k.base = old
	for _, args := range [][]string{{"--yes"}, {"--dry-run"}, {"--yes", "--ignore-missing-backups"}} {
		k.unchanged(27, "--this-is-the-newest", append(append([]string{"key", "retire"}, token...), args...)...)
	}
	shown, code := k.onTerminal(nil, "never", "", append([]string{"key", "retire"}, token...)...)
	if code != 27 || !strings.Contains(shown, "may be an old copy") {
		t.Errorf("on a terminal: exit %d\n%s", code, shown)
	}
	k.holds("refused", k.token, 2, 1)
	k.base = live
	k.unchanged(2, "is for settings in the clear", "key", "retire", "--yes", "--this-is-the-newest")
	k.must("unseal")

	// An administrator knows that this one is the newest.
	k.must("migrate", "--to-clear")
	k.must(append([]string{"key", "retire", "--yes", "--this-is-the-newest"}, token...)...)
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

// A backup that is cut off anywhere: what bears its name is known. In BASE/backups
// the next one forgets what never came to be.
func TestBackupIsRegistered(t *testing.T) {
	c := newConnector(t)
	c.configure()
	archive := filepath.Join(c.in, "away.tar.zst")
	known := func(path string) bool { return strings.Contains(c.tree()["run/backups.json"], path) }
	stored := func() []string {
		all, _ := filepath.Glob(filepath.Join(c.base, "backups", "ssovault-*"))
		return all
	}
	fault := fileFault(p11test.Sysfault(t), "kill")
	pristine := newPristine(c)
	for _, args := range [][]string{{"backup", "--plaintext", archive}, {"backup", "--plaintext"}} {
		pristine.restore()
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
			there := stored()
			if exists(archive) {
				there = append(there, archive)
			}
			for _, path := range there {
				if !known(path) {
					t.Errorf("kill at call %d of %d: nobody knows of %s", i, n, path)
				}
			}
			if len(args) > 2 {
				continue
			}
			c.backup()
			if got, want := strings.Count(c.tree()["run/backups.json"], `"path"`), len(stored()); got != want {
				t.Errorf("kill at call %d of %d: %d are registered, %d are there", i, n, got, want)
			}
		}
	}
	pristine.restore()
	c.bring("away.tar.zst", nil)
	if o := c.run("backup", "--plaintext", archive); o.code != 2 || known(archive) {
		t.Errorf("a backup that did not come to be: exit %d\n%s", o.code, c.tree()["run/backups.json"])
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
