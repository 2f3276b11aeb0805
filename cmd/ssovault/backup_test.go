package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// dataTree is everything in data/, folders included.
func (c *connector) dataTree() map[string]string {
	c.t.Helper()
	return folderTree(c.t, filepath.Join(c.base, "data"))
}

// folderTree is everything below a folder: contents, modes, times.
func folderTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		all[name] = fmt.Sprintf("%v %d ", info.Mode(), info.ModTime().Unix())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			all[name] += string(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// foreign puts files of somebody else into data/.
func (c *connector) foreign() {
	c.t.Helper()
	for _, dir := range []string{"cache/deep", "empty"} {
		if err := os.MkdirAll(c.data(dir), 0o700); err != nil {
			c.t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"users.sql": "insert into users;\n", "cache/deep/ümlaut name": strings.Repeat("x", 3<<20), "cache/none": "", "cache-2": "beside the folder",
		"cache/" + strings.Repeat("long", 40): "a name beyond ustar's 100 bytes", "cache/shared.encp": "not ours, in its folder",
	} {
		if err := os.WriteFile(c.data(name), []byte(content), 0o640); err != nil {
			c.t.Fatal(err)
		}
	}
}

// backup makes one and gives its path. The key store of these tests has no
// password.
func (c *connector) backup(args ...string) string {
	c.t.Helper()
	return strings.TrimSpace(c.must(append([]string{"backup", "--plaintext"}, args...)...))
}

// wipeData loses data/.
func (c *connector) wipeData() {
	c.t.Helper()
	if err := os.RemoveAll(filepath.Join(c.base, "data")); err != nil {
		c.t.Fatal(err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.foreign()
	before := c.dataTree()
	settings := c.must("unseal")
	calls := c.module.Calls()
	archive := c.backup()
	c.must("backup", "verify", archive)
	if now := c.module.Calls(); now != calls {
		t.Errorf("a backup asked the HSM %d times", now-calls)
	}
	if !strings.HasPrefix(archive, filepath.Join(c.base, "backups", "ssovault-")) || !strings.Contains(archive, "-g1-") {
		t.Errorf("%s", archive)
	}
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// Changed, and put back: the old folder is kept.
	c.must("set", "admin_port=9999")
	changed := c.dataTree()
	if diff := c.must("backup", "diff"); !strings.Contains(diff, "changed             data/instance.encp") || strings.Contains(diff, "sql") {
		t.Error(diff)
	}
	if diff := c.must("diff", archive); !strings.Contains(diff, "admin_port: 8080 -> 9999") {
		t.Error(diff)
	}
	if o := c.run("restore", "--dry-run", archive); o.code != 0 || !maps.Equal(c.dataTree(), changed) {
		t.Errorf("dry run: exit %d\n%s", o.code, o.stderr)
	}
	o := c.run("restore", archive)
	if o.code != 0 || !strings.Contains(o.stderr, "an older state was put back") {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if diff := cmp.Diff(before, c.dataTree()); diff != "" {
		t.Errorf("restored (-was +is):\n%s", diff)
	}
	if got := c.must("unseal"); got != settings {
		t.Error("the restored settings are others")
	}
	kept, _ := filepath.Glob(c.base + "/data.before-restore-*")
	if len(kept) != 1 || !strings.Contains(o.stdout, filepath.Base(kept[0])) {
		t.Fatalf("kept: %v\n%s", kept, o.stdout)
	}
	if diff := cmp.Diff(changed, folderTree(t, kept[0])); diff != "" {
		t.Errorf("kept (-was +is):\n%s", diff)
	}
	if status := c.must("status"); !strings.Contains(status, kept[0]) {
		t.Error(status)
	}
	if out := c.must("backup", "drill", archive); !strings.Contains(out, "opened with the key in the token") {
		t.Error(out)
	}
	if out := c.must("backup", "diff"); out != "" {
		t.Errorf("after the restore:\n%s", out)
	}
	var m struct {
		Instance string
		Key      struct {
			Label       string
			TokenSerial string `json:"token_serial"`
		}
		Files []struct{ Name string }
	}
	if err := json.Unmarshal([]byte(c.must("backup", "ls", "--json", archive)), &m); err != nil {
		t.Fatal(err)
	}
	if m.Key.TokenSerial != c.token.Serial || m.Key.Label != "SSO Vault Properties "+m.Instance || len(m.Files) != len(before) {
		t.Errorf("%+v", m)
	}
	for _, f := range m.Files {
		if strings.Contains(f.Name, "sks.pin") || strings.HasPrefix(f.Name, "run") {
			t.Errorf("the backup holds %s", f.Name)
		}
	}
	// By hand, as the manual says.
	c.wipeData()
	packed, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := zstd.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	tar := exec.Command("tar", "-xf", "-", "-C", c.base, "data")
	tar.Stdin = unpacked
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	if got := c.must("unseal"); got != settings {
		t.Error("a copy put back by hand holds other settings")
	}
}

func TestServerLost(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.foreign()
	settings, before := c.must("unseal"), c.dataTree()
	archive := c.backup(filepath.Join(c.in, "kept.tar.zst"))
	if err := os.RemoveAll(c.base); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(c.base, 0o700); err != nil {
		t.Fatal(err)
	}
	// Nobody is there to be asked, and a backup must not choose the library.
	o := c.run("restore", archive)
	if o.code != 2 || !strings.Contains(o.stderr, "must not choose") || !strings.Contains(o.stderr, "--accept-sks") {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if left := c.tree(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	// The PIN file was not in the backup: restored, but not to be opened yet.
	if o := c.run("restore", "--must-open", "--accept-sks", archive); o.code != 22 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if err := os.WriteFile(filepath.Join(c.base, "sks.pin"), []byte(c.token.PIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := c.run("restore", "--must-open", "--accept-sks", archive); o.code != 0 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if diff := cmp.Diff(before, c.dataTree()); diff != "" {
		t.Errorf("-was +is:\n%s", diff)
	}
	if got := c.must("unseal"); got != settings {
		t.Error("other settings")
	}
	c.must("run", "--", "true")
}

func TestRestoreWithoutTheKey(t *testing.T) {
	c := newConnector(t)
	c.configure()
	archive := c.backup()
	c.module.Vanish()
	o := c.run("restore", archive)
	if o.code != 0 || !strings.Contains(o.stderr, "warning: the HSM does not open") || !strings.Contains(o.stderr, "(cause a)") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := c.run("restore", "--must-open", archive); o.code != 10 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := c.run("backup", "drill", archive); o.code != 10 {
		t.Errorf("drill: exit %d\n%s", o.code, o.stderr)
	}
	c.module.Return()
	c.must("backup", "drill")
	c.must("run", "--", "true")
}

func TestRestoreRefuses(t *testing.T) {
	c := newConnector(t)
	c.configure()
	archive := c.backup()
	before := c.dataTree()
	// A running service.
	cmd := c.command("run", "--", "cat")
	in, _ := cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForCommand(t, cmd.Process.Pid, "cat")
	if o := c.run("restore", archive); o.code != 31 || !strings.Contains(o.stderr, "stop the service first") {
		t.Errorf("under a service: exit %d\n%s", o.code, o.stderr)
	}
	if o := c.run("restore", "--dry-run", "--must-open", archive); o.code != 0 || !strings.Contains(o.stdout, "can be restored") ||
		!strings.Contains(o.stderr, "is running: a restore is refused (31) until it is stopped") {
		t.Errorf("a dry run under a service: exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	c.backup() // a backup needs no stop
	in.Close()
	_ = cmd.Wait()
	// Another instance.
	other := &connector{t: t, token: c.token, module: c.module, dir: c.dir, base: filepath.Join(c.dir, "other"), in: c.in}
	if err := os.Mkdir(other.base, 0o700); err != nil {
		t.Fatal(err)
	}
	other.configure()
	theirs := other.backup()
	c.wantFailure(25, "25", "--force", "restore", theirs)
	if !maps.Equal(before, c.dataTree()) {
		t.Error("the disk has changed")
	}
	c.must("restore", "--force", theirs)
	if got, want := c.must("unseal"), other.must("unseal"); got != want {
		t.Error("not the other instance's settings")
	}
	c.must("restore", "--force", archive)
	if o := c.run("restore", filepath.Join(c.dir, "absent")); o.code != 2 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}

// A backup that names a library, a PIN command and a role of its own must not
// be believed.
func TestRestoreKeepsTheWayIn(t *testing.T) {
	c := newConnector(t)
	c.configure()
	own := string(c.dataTree()["sks.properties"])
	mark := filepath.Join(c.dir, "ran")
	evil := c.bring("evil", []byte("#!/bin/sh\ntouch "+mark+"\n"))
	if err := os.Chmod(evil, 0o700); err != nil {
		t.Fatal(err)
	}
	c.edit("sks.properties", func(b []byte) []byte {
		text := strings.ReplaceAll(string(b), c.module.Path, filepath.Join(c.in, "evil.so"))
		text = strings.ReplaceAll(text, "sks.pin=file\n", "sks.pin=command:"+evil+"\n")
		return []byte(text + "# a comment of the administrator\n")
	})
	archive := c.backup()
	c.edit("sks.properties", func([]byte) []byte { return []byte(own[strings.Index(own, "#"):]) })
	o := c.run("restore", "--must-open", archive)
	if o.code != 0 || !strings.Contains(o.stderr, "warning: the backup would reach the token by") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	o = c.run("backup", "drill", archive)
	if o.code != 0 {
		t.Errorf("drill: exit %d\n%s", o.code, o.stderr)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("the backup chose what ran")
	}
	b, err := os.ReadFile(c.data("sks.properties"))
	if err != nil || strings.Contains(string(b), "evil") || !strings.Contains(string(b), "# a comment of the administrator") {
		t.Errorf("%v\n%s", err, b)
	}
	// With another token here, there is no present way in either.
	c.edit("sks.properties", func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), c.token.Serial, "0123")) })
	if o := c.run("restore", archive); o.code != 2 || !strings.Contains(o.stderr, "this folder uses the token") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if o := c.run("restore", "--accept-sks", "--must-open", archive); o.code == 0 {
		t.Error("accepted, the library that is not there was loaded")
	}
	b, err = os.ReadFile(c.data("sks.properties"))
	if err != nil || !strings.Contains(string(b), "evil") {
		t.Errorf("%v: --accept-sks did not take the backup's\n%s", err, b)
	}
}

func TestBackupNames(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.must("set", "admin_port=1234")
	for _, row := range []struct{ path, text string }{
		{c.data("inside.tar.zst"), "is in data/"},
		{filepath.Join(c.in, "answers"), "already a file"},
		{filepath.Join(c.dir, "no", "such", "folder"), "folder of the backup"},
	} {
		if o := c.run("backup", "--plaintext", row.path); o.code != 2 || !strings.Contains(o.stderr, row.text) {
			t.Errorf("%s: exit %d\n%s", row.path, o.code, o.stderr)
		}
	}
	if o := c.run("backup", "--plaintext", "-"); o.code != 2 || !strings.Contains(o.stderr, "give a file, not -") {
		t.Errorf("-: exit %d\n%s", o.code, o.stderr)
	}
	pipe, link := filepath.Join(c.in, "pipe"), filepath.Join(c.in, "newest")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink(c.backup(), link)); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		"-": "give a file, not -", c.in: "is a folder; name a backup in it", pipe: "is a pipe", "/dev/null": "is a device",
		link: "is a link; name the backup itself", "/dev/stdin": "is a link",
	} {
		for _, args := range [][]string{{"backup", "verify", path}, {"backup", "drill", path}, {"restore", path}} {
			if o := c.run(args...); o.code != 2 || !strings.Contains(o.stderr, says) || strings.Contains(o.stderr, "hsmusers") {
				t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
			}
		}
	}
	if err := os.Rename(c.data(""), c.base+"/elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("elsewhere", c.data("")); err != nil {
		t.Fatal(err)
	}
	if o := c.run("backup", "--plaintext"); o.code != 30 || !strings.Contains(o.stderr, "is a link") || strings.Contains(o.stderr, "hsmusers") {
		t.Errorf("data/ is a link: exit %d\n%s", o.code, o.stderr)
	}
	if err := errors.Join(os.Remove(c.data("")), os.Rename(c.base+"/elsewhere", c.data(""))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("users.sql", c.data("link")); err != nil {
		t.Fatal(err)
	}
	if o := c.run("backup", "--plaintext"); o.code != 30 || !strings.Contains(o.stderr, "data/link is a link") {
		t.Errorf("a link: exit %d\n%s", o.code, o.stderr)
	}
	os.Remove(c.data("link"))
	if err := os.WriteFile(c.data("SHARED.encp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if o := c.run("backup", "--plaintext"); o.code != 30 || !strings.Contains(o.stderr, "SHARED.encp") {
		t.Errorf("a look-alike: exit %d\n%s", o.code, o.stderr)
	}
	os.Remove(c.data("SHARED.encp"))
	if out, err := exec.Command("mkfifo", c.data("pipe")).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	if o := c.run("backup", "--plaintext"); o.code != 0 || !strings.Contains(o.stderr, "data/pipe is a socket or a pipe") {
		t.Errorf("a pipe: exit %d\n%s", o.code, o.stderr)
	}
	c.removeData("shared.encp")
	if o := c.run("backup", "--plaintext"); o.code != 12 {
		t.Errorf("half a folder: exit %d\n%s", o.code, o.stderr)
	}
	if left, _ := filepath.Glob(c.base + "/backups/.*new"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
