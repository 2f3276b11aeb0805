package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"filippo.io/age"
)

// A backup of a connector whose settings change all the time holds one whole
// generation, every time.
func TestBackupOfAChangingInstance(t *testing.T) {
	const backups = 200
	c := newConnector(t)
	c.configure()
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				stopped <- n
				return
			default:
			}
			n++
			if out, err := c.command("set", fmt.Sprintf("admin_port=%d", 1024+n), fmt.Sprintf("sso_ssl_port=%d", 1024+n)).CombinedOutput(); err != nil {
				t.Errorf("set: %v\n%s", err, out)
			}
		}
	}()
	generations := map[uint64]bool{}
	for range backups {
		var made struct {
			Path     string
			Manifest struct {
				Generation uint64
				SaveID     string `json:"save_id"`
			}
		}
		if err := json.Unmarshal([]byte(c.must("backup", "--plaintext", "--json")), &made); err != nil {
			t.Fatal(err)
		}
		generations[made.Manifest.Generation] = true
		// What verify checks, and that both sealed files are of that save.
		c.must("backup", "verify", made.Path)
		out := filepath.Join(c.dir, "look")
		if err := os.RemoveAll(out); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(out, 0o700); err != nil {
			t.Fatal(err)
		}
		look := &connector{t: t, token: c.token, module: c.module, dir: c.dir, base: out, in: c.in}
		if o := look.run("restore", "--accept-sks", made.Path); o.code != 0 {
			t.Fatalf("restore %s: exit %d\n%s", made.Path, o.code, o.stderr)
		}
		var status struct {
			Generation uint64
			SaveID     string `json:"save_id"`
		}
		text := look.must("status", "--json")
		if err := json.Unmarshal([]byte(text), &status); err != nil {
			t.Fatal(err)
		}
		if status.Generation != made.Manifest.Generation || status.SaveID != made.Manifest.SaveID {
			t.Errorf("%s holds another save: %s", made.Path, text)
		}
	}
	close(stop)
	n := <-stopped
	t.Logf("%d backups of %d generations beside %d sets", backups, len(generations), n)
	if n < 10 || len(generations) < 10 {
		t.Errorf("%d sets, %d generations: nothing changed meanwhile", n, len(generations))
	}
	last := strings.Split(c.must("backup", "list"), "\n")[0]
	if !strings.Contains(last, "key SSO Vault Properties") {
		t.Error(last)
	}
}

// A file of somebody else that never holds still: a clear error, nothing left.
func TestBackupOfARestlessFile(t *testing.T) {
	c := newConnector(t)
	c.configure()
	restless := c.data("users.sql")
	if err := os.WriteFile(restless, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	writer := exec.Command("sh", "-c", `echo; while :; do printf x >> "$0"; done`, restless)
	started, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(started, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	o := c.run("backup", "--plaintext")
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Wait()
	if o.code != 1 || !strings.Contains(o.stderr, "data/users.sql") || !strings.Contains(o.stderr, "changed during each of 5 attempts") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	if left, _ := filepath.Glob(c.base + "/backups/*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	c.backup()
}

func TestPrune(t *testing.T) {
	c := newConnector(t)
	c.configure()
	dir := filepath.Join(c.base, "backups")
	noise := make([]byte, 64<<10) // so much of the archive that its middle is in here
	_, _ = rand.Read(noise)
	if err := os.WriteFile(c.data("users.sql"), noise, 0o600); err != nil {
		t.Fatal(err)
	}
	whole := c.backup()
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	instance := strings.Split(filepath.Base(whole), "-")[1]
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	name := func(day int) string {
		return filepath.Join(dir, fmt.Sprintf("ssovault-%s-g1-%s.tar.zst", instance, time.Date(2026, 3, day, 3, 0, 0, 0, time.UTC).Format("20060102-150405")))
	}
	fill := func(damaged ...int) {
		t.Helper()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for day := 1; day <= 6; day++ {
			b := content
			for _, bad := range damaged {
				if bad == day {
					b = append([]byte{}, content...)
					b[len(b)/2] ^= 1
				}
			}
			if err := os.WriteFile(name(day), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	days := func() (found []int) {
		for day := 1; day <= 6; day++ {
			if _, err := os.Stat(name(day)); err == nil {
				found = append(found, day)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "notes.txt")); err != nil {
			t.Error("a file that is no backup went")
		}
		return found
	}
	for _, row := range []struct {
		damaged []int
		args    []string
		want    string
	}{
		{nil, []string{"--keep-last", "2", "--dry-run"}, "[1 2 3 4 5 6]"},
		{nil, []string{"--keep-last", "2"}, "[5 6]"},
		{nil, []string{"--keep-weekly", "2"}, "[1 6]"},
		{[]int{6}, []string{"--keep-last", "2"}, "[5 6]"},
		{[]int{5, 6}, []string{"--keep-last", "2"}, "[4 5 6]"},
		{[]int{2, 3, 4, 5, 6}, []string{"--keep-last", "1"}, "[1 6]"},
		{[]int{1, 2, 3, 4, 5, 6}, []string{"--keep-last", "1"}, "[1 2 3 4 5 6]"},
	} {
		fill(row.damaged...)
		o := c.run(append([]string{"backup", "prune"}, row.args...)...)
		if got := fmt.Sprint(days()); got != row.want {
			t.Errorf("damaged %v, %v: %s is left, want %s\n%s", row.damaged, row.args, got, row.want, o.stdout)
		}
		if hopeless := len(row.damaged) == 6; o.code != 0 && !hopeless || o.code != 26 && hopeless || hopeless != strings.Contains(o.stderr, "is damaged; none was removed") {
			t.Errorf("damaged %v: exit %d\n%s", row.damaged, o.code, o.stderr)
		}
	}
	// One that cannot be looked into counts only where nothing else does.
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	c.must("backup", "--encrypt-to", identity.Recipient().String(), filepath.Join(c.base, "locked"))
	locked, err := os.ReadFile(filepath.Join(c.base, "locked"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		locked  []byte // the newest three
		damaged []int
		want    string
	}{
		{locked, nil, "[3 6]"},
		{locked, []int{1, 2, 3}, "[6]"},
		{locked[:30], nil, "[3 6]"},
		{locked, []int{3}, "[2 6]"},
		{[]byte("age-encryption.org/v1\njunk\n"), []int{1, 2, 3}, "[1 2 3 4 5 6]"},
	} {
		fill(row.damaged...)
		for day := 4; day <= 6; day++ {
			if err := os.Remove(name(day)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name(day)+".age", row.locked, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o := c.run("backup", "prune", "--keep-last", "1")
		for day := 4; day <= 6; day++ {
			_ = os.Rename(name(day)+".age", name(day)) // one that is still there
		}
		if got := fmt.Sprint(days()); got != row.want || len(row.locked) == len(locked) != strings.Contains(o.stdout, "not checked: it is encrypted") {
			t.Errorf("%d bytes locked, damaged %v: %s is left, want %s\n%s%s", len(row.locked), row.damaged, got, row.want, o.stdout, o.stderr)
		}
	}
	for _, args := range [][]string{{}, {"--keep-last", "0"}, {"--keep-last", "-1", "--keep-daily", "3"}} {
		if o := c.run(append([]string{"backup", "prune"}, args...)...); o.code != 2 {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	fill(6)
	if o := c.run("backup", "verify", name(6)); o.code != 26 || !strings.Contains(o.stderr, "data/users.sql is not what was backed up") {
		t.Errorf("a damaged one: exit %d\n%s", o.code, o.stderr)
	}
	// A prune at work keeps another one out.
	fill()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if o := c.run("backup", "prune", "--keep-last", "1"); o.code != 31 || len(days()) != 6 {
		t.Errorf("beside another prune: exit %d\n%s", o.code, o.stderr)
	}
}

// On a terminal, a folder without a configuration asks for what a backup must
// not choose; its own answers are no defaults. The bar is on the terminal too.
func TestRestoreAsks(t *testing.T) {
	c := newConnector(t)
	c.configure()
	archive := c.backup(filepath.Join(c.in, "kept.tar.zst"))
	settings := c.must("unseal")
	c.wipeData()
	cmd := c.command("restore", "--must-open", archive)
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var seen strings.Builder
	await := func(text string) {
		t.Helper()
		b := make([]byte, 4096)
		for !strings.Contains(seen.String(), text) {
			n, err := terminal.Read(b)
			seen.Write(b[:n])
			if err != nil {
				t.Fatalf("no %q: %v\n%s", text, err, seen.String())
			}
		}
	}
	answer := func(text string) {
		seen.Reset()
		fmt.Fprintf(terminal, "%s\n", text)
	}
	await("PKCS#11 library")
	if !strings.Contains(seen.String(), "serial "+c.token.Serial) || strings.Contains(seen.String(), "("+c.module.Path+")") {
		t.Errorf("%s", seen.String())
	}
	answer("relative.so")
	await("An absolute path")
	await("PKCS#11 library")
	answer("/no/such/library.so")
	await("There is no file")
	await("PKCS#11 library")
	answer(c.module.Path)
	await("password at start (file): ")
	answer("nonsense")
	await("is no source")
	await("password at start (file): ")
	answer("file:" + c.in + "/token.pin")
	await("restored: instance")
	if err := cmd.Wait(); err != nil {
		t.Error(err, seen.String())
	}
	if got := c.must("unseal"); got != settings {
		t.Error("other settings")
	}
	if b, err := os.ReadFile(c.data("sks.properties")); err != nil || !strings.Contains(string(b), "sks.pin=file\\:"+c.in+"/token.pin\n") {
		t.Errorf("%v\n%s", err, b)
	}
}
