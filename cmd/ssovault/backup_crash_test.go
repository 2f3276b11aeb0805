package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/p11test"
)

// keeping is a command around backups that is stopped at its n-th change to
// the file system, for every n.
type keeping struct {
	name string
	args []string
	// mounted: data/ is a mount point, so its name cannot be exchanged.
	mounted bool
	// foreign: data/ is another token's by now, and sks.pin with it.
	foreign bool
	// check looks at what a stopped run left, and again after a whole one.
	check func(k *keptScene, point string, code int, whole bool)
}

// keptScene is a connector with a backup of an older state, and what the two
// states look like.
type keptScene struct {
	*connector
	archive  string
	old, new map[string]string // data/ before and after a restore
}

var keepings = []keeping{
	{name: "restore", args: []string{"restore"}, check: (*keptScene).checkRestore},
	{name: "restore into a mount point", args: []string{"restore"}, mounted: true, check: (*keptScene).checkRestore},
	{name: "restore of another token's", args: []string{"restore", "--accept-sks"}, foreign: true, check: (*keptScene).checkForeign},
	{name: "backup", args: []string{"backup", "--plaintext"}, check: (*keptScene).checkBackup},
	{name: "prune", args: []string{"backup", "prune", "--keep-last", "2"}, check: (*keptScene).checkPrune},
}

func TestBackupCrashes(t *testing.T) {
	for _, row := range keepings {
		c := newConnector(t) // sets a variable, so not in the parallel part
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c.t = t
			k := newKeptScene(c)
			if row.foreign {
				c.setSKS("sks.token.serial", "0badc0de")
				k.old = c.dataTree()
			}
			args := row.args
			if args[0] == "restore" {
				args = append(args, k.archive)
			}
			pristine := newPristine(c)
			injections := fileFaults(t)
			if row.mounted { // the folder that is mounted cannot be put together anew
				injections = slices.DeleteFunc(injections, func(i injection) bool { return i.name == "file power" })
			}
			sweep(c, row.name, injections, pristine.restore,
				func(i injection, n int) *exec.Cmd { return row.around(c, i.wrap(c, n, args)) },
				func(point string, o outcome) {
					row.check(k, point, o.code, false)
					if again := execute(t, row.around(c, c.command(args...))); again.code != 0 {
						t.Errorf("%s: the second run: exit %d\n%s", point, again.code, again.stderr)
					}
					row.check(k, point, 0, true)
				})
		})
	}
}

// newKeptScene makes three backups, the first of an older state.
func newKeptScene(c *connector) *keptScene {
	c.configure()
	for name, content := range map[string]string{"users.sql": "old", "cache/only-old": "x"} {
		_ = os.MkdirAll(filepath.Dir(c.data(name)), 0o700)
		if err := os.WriteFile(c.data(name), []byte(content), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	k := &keptScene{connector: c, new: c.dataTree(), archive: c.backup()}
	c.must("set", "admin_port=9999")
	os.RemoveAll(c.data("cache"))
	for name, content := range map[string]string{"users.sql": "new", "other/only-new": "y"} {
		_ = os.MkdirAll(filepath.Dir(c.data(name)), 0o700)
		if err := os.WriteFile(c.data(name), []byte(content), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	k.old = c.dataTree()
	c.backup()
	c.backup()
	return k
}

// around gives the command a data/ that is a mount point, in a mount
// namespace of its own.
func (k keeping) around(c *connector, cmd *exec.Cmd) *exec.Cmd {
	if !k.mounted {
		return cmd
	}
	script := `mount --bind "$0" "$0" && exec "$@"`
	argv := []string{"--mount", "sh", "-c", script, filepath.Join(c.base, "data")}
	if os.Geteuid() != 0 {
		argv = append([]string{"--map-root-user"}, argv...)
	}
	out := exec.Command("unshare", append(argv, cmd.Args...)...)
	out.Env, out.Dir = cmd.Env, cmd.Dir
	return out
}

// What is mounted within data/ must not go away with the old folder.
func TestRestoreBesideAMount(t *testing.T) {
	c := newConnector(t)
	c.configure()
	archive := c.backup()
	for _, name := range []string{"cache", "file"} {
		at := c.data(name)
		if name == "cache" {
			if err := os.Mkdir(at, 0o700); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		before := c.tree()
		cmd := keeping{mounted: true}.around(c, c.command("restore", archive))
		for i, arg := range cmd.Args {
			if arg == filepath.Join(c.base, "data") {
				cmd.Args[i] = at
			}
		}
		if o := execute(t, cmd); o.code != 30 || !strings.Contains(o.stderr, at+" is mounted there") {
			t.Errorf("%s: exit %d\n%s", name, o.code, o.stderr)
		}
		if diff := cmp.Diff(before, c.tree()); diff != "" {
			t.Error(diff)
		}
		if err := os.Remove(at); err != nil {
			t.Fatal(err)
		}
	}
	c.must("restore", archive)
}

func (k *keptScene) checkRestore(point string, code int, whole bool) {
	k.t.Helper()
	if o := k.run("unseal"); o.code != 0 {
		k.t.Errorf("%s (exit %d): it does not open: exit %d\n%s", point, code, o.code, o.stderr)
		return
	}
	now := sameContents(k.dataTree())
	isOld, isNew := maps.Equal(now, sameContents(k.old)), maps.Equal(now, sameContents(k.new))
	switch {
	case !isOld && !isNew:
		k.t.Errorf("%s (exit %d): neither the old data/ nor the new:\n%s", point, code, cmp.Diff(sameContents(k.old), now))
	case whole && !isNew, code == 0 && !isNew:
		k.t.Errorf("%s: it said that all went well, and the old state is there", point)
	}
	kept, _ := filepath.Glob(k.base + "/data.before-restore-*")
	keptOld := false
	for _, dir := range kept {
		tree := sameContents(folderTree(k.t, dir))
		keptOld = keptOld || maps.Equal(tree, sameContents(k.old))
	}
	if isNew && !keptOld {
		k.t.Errorf("%s: the old folder was not kept: %v", point, kept)
	}
	if !whole {
		return
	}
	for name := range k.tree() {
		if strings.Contains(name, ".data.") || strings.Contains(name, ".restoring") || strings.HasSuffix(name, ".new") || name == "run/restore.json" {
			k.t.Errorf("%s: left behind: %s", point, name)
		}
	}
}

// checkForeign makes sure that the PIN of one token is not tried on the other,
// wherever the restore was cut off.
func (k *keptScene) checkForeign(point string, code int, whole bool) {
	k.t.Helper()
	o := k.run("unseal")
	now := sameContents(k.dataTree())
	want := 22
	if maps.Equal(now, sameContents(k.old)) {
		want = 0
	} else if !maps.Equal(now, sameContents(k.new)) {
		k.t.Errorf("%s (exit %d): neither the old folder nor the new", point, code)
	}
	if whole && want == 0 {
		k.t.Errorf("%s: not restored", point)
	}
	if want == 22 && !exists(k.base+"/run/pin-of.json") {
		k.t.Errorf("%s (exit %d): restored, and nobody remembers whose PIN it is", point, code)
	}
	if strings.Contains(point, "file power") { // puts a new sks.pin together: nothing is known of that one
		return
	}
	if o.code != want {
		k.t.Errorf("%s (exit %d): unseal: exit %d, want %d\n%s", point, code, o.code, want, o.stderr)
	}
}

// sameContents leaves out what a stopped restore was preparing, and the times of folders and files: a copy that is kept
// of a mount point has its own.
func sameContents(tree map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range tree {
		if strings.HasPrefix(name, ".data.restoring") {
			continue // being prepared in a mount point; the next change removes it
		}
		mode, rest, _ := strings.Cut(text, " ")
		_, content, _ := strings.Cut(rest, " ")
		out[name] = mode + " " + content
	}
	return out
}

func (k *keptScene) checkBackup(point string, code int, whole bool) {
	k.t.Helper()
	all, _ := filepath.Glob(k.base + "/backups/ssovault-*")
	for _, path := range all {
		if o := k.run("backup", "verify", path); o.code != 0 {
			k.t.Errorf("%s: %s bears a name and is not whole: exit %d\n%s", point, path, o.code, o.stderr)
		}
	}
	if len(all) < 3 || (code == 0 || whole) && len(all) < 4 {
		k.t.Errorf("%s (exit %d): %d backups", point, code, len(all))
	}
	if left, _ := filepath.Glob(k.base + "/backups/.*.new"); whole && len(left) != 0 {
		k.t.Errorf("%s: left behind: %v", point, left)
	}
}

func (k *keptScene) checkPrune(point string, code int, whole bool) {
	k.t.Helper()
	all, _ := filepath.Glob(k.base + "/backups/ssovault-*")
	if len(all) < 2 || len(all) > 3 || (code == 0 || whole) && len(all) != 2 {
		k.t.Errorf("%s (exit %d): %d backups", point, code, len(all))
	}
	for _, path := range all {
		if len(all) == 2 && path == k.archive {
			k.t.Errorf("%s: the oldest stayed and a newer one went", point)
		}
	}
	if o := k.run("backup", "verify"); o.code != 0 {
		k.t.Errorf("%s: the newest is not whole\n%s", point, o.stderr)
	}
}

// A save that was cut off anywhere: a backup with the lock of a reader holds
// the last whole save, and nothing of what was on its way.
func TestBackupAfterACutOffSave(t *testing.T) {
	c := newConnector(t)
	c.configure()
	fault := fileFault(p11test.Sysfault(t), "kill")
	pristine := newPristine(c)
	args := []string{"set", "admin_port=9999", "sso_ssl_port=9998"}
	if o := execute(t, fault.wrap(c, 0, args)); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	n := fault.count(c)
	seen := map[string]bool{}
	for _, i := range points(t.Name(), n) {
		pristine.restore()
		_ = execute(t, fault.wrap(c, i, args))
		archive := c.backup(filepath.Join(c.dir, fmt.Sprintf("cut-%d.tar.zst", i)))
		want := c.must("unseal") // reads as the backup did
		if ls := c.must("backup", "ls", archive); strings.Contains(ls, ".new") || strings.Contains(ls, "journal") {
			t.Errorf("kill at call %d:\n%s", i, ls)
		}
		c.wipeData()
		c.must("restore", "--accept-sks", "--must-open", archive)
		if got := c.must("unseal"); got != want {
			t.Errorf("kill at call %d: the backup holds another state", i)
		}
		seen[want] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d states were seen at %d points", len(seen), n)
	}
}

// A file system that cannot exchange two names: the restore comes to the same.
func TestRestoreWithoutExchange(t *testing.T) {
	sysfault := p11test.Sysfault(t)
	c := newConnector(t)
	k := newKeptScene(c)
	pristine := newPristine(c)
	args := []string{"restore", k.archive}
	counting := fileFault(sysfault, "EINVAL")
	if o := execute(t, counting.wrap(c, 0, args)); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	calls, err := os.ReadFile(filepath.Join(c.dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for line := range strings.Lines(string(calls)) {
		at++
		if strings.Contains(line, " renameat2 ") && strings.Contains(line, "/.data.restoring -> ") && strings.HasSuffix(strings.TrimSpace(line), "/data") {
			break
		}
	}
	pristine.restore()
	o := execute(t, counting.wrap(c, at, args))
	if o.code != 0 || !strings.Contains(o.stdout, "kept: data.before-restore-") {
		t.Fatalf("call %d: exit %d\n%s%s", at, o.code, o.stdout, o.stderr)
	}
	if after, err := os.ReadFile(filepath.Join(c.dir, "calls")); err != nil || strings.Count(string(after), "\n") <= strings.Count(string(calls), "\n") {
		t.Errorf("the other way was not taken: %v", err)
	}
	k.checkRestore("without exchange", 0, true)
}
