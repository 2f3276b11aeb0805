package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// newLostScene is a connector with a folder for shares and a second token.
func newLostScene(t *testing.T) *lostScene {
	t.Helper()
	s := &lostScene{connector: newConnector(t)}
	s.fresh = s.token.Again(t, "fresh")
	s.out = filepath.Join(s.dir, "out")
	if err := os.Mkdir(s.out, 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure()
	return s
}

// shares are the files that the last init wrote.
func (s *lostScene) shares() []string {
	s.t.Helper()
	set := afterText(s.t, s.must("recovery", "status", "--json"), `"set": "`)[:8]
	files, _ := filepath.Glob(s.out + "/*-" + set + "-*")
	if len(files) != 3 {
		s.t.Fatalf("%v", files)
	}
	return files
}

// opens runs a dry run of recovery open without a token.
func (s *lostScene) opens(flags ...string) outcome {
	s.t.Helper()
	return s.run(append([]string{"recovery", "open", "--dry-run", "--in-the-clear"}, flags...)...)
}

// shareSet is the set that the name of a share's file bears.
func shareSet(path string) string { return strings.Split(filepath.Base(path), "-")[3] }

func byShares(files ...string) (flags []string) {
	for _, f := range files {
		flags = append(flags, "--share", f)
	}
	return flags
}

// The whole way: the token is deleted, the service starts again with another.
func TestRecoveryAfterTheTokenIsGone(t *testing.T) {
	s := newLostScene(t)
	s.bringKeyStore("jks")
	s.withIdentity()
	if o := s.with(canaryValue, "set", "--stdin", "vendor_secret"); o.code != 0 {
		t.Fatal(o.stderr)
	}
	settings := s.must("unseal")
	s.deleteToken(s.token)
	s.wantFailure(10, "a", "not found", "run", "--", "/bin/true")
	before := s.dataTree()
	if o := s.run("recovery", "open", "--dry-run", "--identity", s.in+"/identity.txt", "--token", "fresh", "--library", s.module.Path,
		"--to-pin-source", "file:"+s.in+"/token.pin"); o.code != 0 || !strings.Contains(o.stdout, "nothing was changed") {
		t.Errorf("dry run: exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if diff := cmp.Diff(before, s.dataTree()); diff != "" {
		t.Error(diff)
	}
	out := s.must(s.openArgs()...)
	if !strings.Contains(out, "generation 4, saved") || !strings.Contains(out, "sealed: generation 5,") || !strings.Contains(out, "kept: data.before-recovery-") {
		t.Error(out)
	}
	if got := s.must("unseal"); got != settings {
		t.Errorf("the settings are others:\n%s\n%s", settings, got)
	}
	if got := s.must("run", "--", "sh", "-c", `grep -h vendor_secret "$SSOVAULT_INSTANCE"`); !strings.Contains(got, canaryValue) {
		t.Error(got)
	}
	if o := s.run("doctor"); o.code != 0 || !strings.Contains(o.stdout, "ok    recovery      whoever holds the identity of age1") {
		t.Errorf("exit %d\n%s", o.code, o.stdout)
	}
	if status := s.must("status"); !strings.Contains(status, "data.before-recovery-") || !strings.Contains(status, "can open the settings without the HSM; data/recovery.age is of the present save") {
		t.Error(status)
	}
	if objects := s.fresh.Snapshot(t); strings.Count(objects, "secret-key") != 1 || strings.Count(objects, "certificate") != 1 {
		t.Error(objects)
	}
	// And once more: the recovery goes on with the same identity.
	third := s.token.Again(t, "third")
	s.deleteToken(s.fresh)
	s.fresh = third
	s.must(s.openArgs()...)
	if got := s.must("unseal"); got != settings {
		t.Error("after the second loss the settings are others")
	}
	// Nothing of the identity was left on the server, and no secret in the log.
	for name, text := range s.tree() {
		if strings.Contains(text, "AGE-SECRET-KEY") || strings.Contains(text, canaryValue) {
			t.Errorf("%s holds a secret", name)
		}
	}
	log, err := os.ReadFile(filepath.Join(s.base, "logs", "ssovault.log"))
	if err != nil || strings.Contains(string(log), "AGE-SECRET") || strings.Contains(string(log), canaryValue) {
		t.Errorf("the log holds a secret: %v", err)
	}
}

func TestRecoveryByShares(t *testing.T) {
	s := newLostScene(t)
	s.must(s.initArgs()...)
	older := s.shares()
	s.must(s.initArgs()...)
	mine := s.shares()
	for _, path := range mine {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	change := func(path string, how func(string) string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := how(string(b))
		if text == string(b) {
			t.Fatal("nothing was changed")
		}
		return s.bring("changed-"+filepath.Base(path), []byte(text))
	}
	word := change(mine[1], func(text string) string { return strings.Replace(text, "2 of 3", "3 of 3", 1) })
	letter := change(mine[2], func(text string) string {
		at := strings.Index(text, "\n5  ") + 4
		return text[:at] + string('A'+(text[at]-'A'+1)%26) + text[at+1:]
	})
	text := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, row := range map[string]struct {
		flags []string
		stdin string
		exit  int
		says  []string
	}{
		"1 and 2":              {byShares(mine[0], mine[1]), "", 0, nil},
		"3 and 1":              {byShares(mine[2], mine[0]), "", 0, nil},
		"all":                  {byShares(mine...), "", 0, nil},
		"piped":                {byShares("-"), text(mine[0]) + text(mine[2]), 0, nil},
		"file and pipe":        {byShares("-", mine[1]), text(mine[0]), 0, nil},
		"one":                  {byShares(mine[1]), "", 2, []string{"2 of 3 shares are needed, 1 was given"}},
		"one twice":            {byShares(mine[1], mine[1]), "", 2, []string{"are the same share (2 of 3)"}},
		"another set's":        {byShares(mine[0], older[1]), "", 2, []string{mine[0], older[1]}},
		"an older set":         {byShares(older...), "", 2, []string{"these shares do not open the recovery file: they are of the set " + shareSet(older[0]) + ", and data/ of the set " + shareSet(mine[0])}},
		"a changed word":       {byShares(mine[0], word), "", 26, []string{word, "its words"}},
		"a wrong letter":       {byShares(mine[0], letter), "", 26, []string{letter, "line 5", "hint: leave this share out if enough others are there, or correct the line"}},
		"a mark before":        {byShares(mine[0], s.bring("bom.txt", []byte("\uFEFF"+text(mine[1])))), "", 0, nil},
		"CRLF, cut at the end": {byShares(mine[0], s.bring("crlf.txt", []byte(strings.ReplaceAll(strings.TrimSuffix(text(mine[1]), "\n"), "\n", "\r\n")))), "", 0, nil},
		"eight lines alone":    {byShares(mine[0], s.bring("eight.txt", []byte(afterText(t, text(mine[1]), "\n\n")))), "", 0, nil},
		"marks in a pipe":      {byShares("-"), "\uFEFF" + text(mine[0]) + "\uFEFF" + text(mine[2]), 0, nil},
		"no such file":         {byShares(mine[0], s.in+"/none"), "", 2, []string{s.in + "/none"}},
		"no share":             {byShares(mine[0], s.in+"/answers"), "", 28, []string{s.in + "/answers", "no share"}},
		"an end too soon":      {byShares("-"), text(mine[0])[:420], 2, []string{"share 1 of standard input"}},
		"a slip":               {byShares("-"), text(letter), 2, []string{"share 1 of standard input", "line 5", "hint: leave this share out"}},
	} {
		cmd := s.command(append([]string{"recovery", "open", "--dry-run", "--in-the-clear"}, row.flags...)...)
		cmd.Stdin = strings.NewReader(row.stdin)
		o := execute(t, cmd)
		if o.code != row.exit {
			t.Errorf("%s: exit %d, want %d\n%s", name, o.code, row.exit, o.stderr)
		}
		for _, says := range row.says {
			if !strings.Contains(o.stderr, says) {
				t.Errorf("%s: it does not say %q:\n%s", name, says, o.stderr)
			}
		}
	}
}

// Whatever command makes a save, the recovery file is of that save, and what
// belongs to the recovery stays.
func TestRecoveryFollowsEverySave(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	s.bring("other.pem", tlsPEM(t, "other.example.com"))
	export := s.bring("export.json", []byte(s.must("export")))
	signer := afterText(t, s.must("recovery", "status", "--json"), `"signer": "`)[:64]
	for _, args := range [][]string{
		{"set", "admin_port=9001"},
		{"set", "ssl_file=" + s.in + "/other.pem"},
		{"set", "--stdin", "vendor_secret"},
		{"unset", "vendor_secret"},
		{"import", export},
		{"import", "--merge", export},
		{"-config", "-answers", s.in + "/answers"},
		{"-config", "--new-key", "-answers", s.in + "/answers"},
		{"-disableSKS"},
		{"set", "admin_port=9002"},
		{"-config", "-answers", s.in + "/answers"},
	} {
		if o := s.with("value", args...); o.code != 0 {
			t.Fatalf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
		status := s.must("recovery", "status", "--json")
		if !strings.Contains(status, signer) || !strings.Contains(status, `"current"`) && !strings.Contains(status, `"there"`) {
			t.Errorf("after %v:\n%s", args, status)
		}
		if o := s.opens(s.first...); o.code != 0 || o.stderr != "" && !strings.Contains(args[0], "-") {
			t.Errorf("after %v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	// What the recovery file holds are the settings as they are.
	settings := s.must("unseal")
	s.must(append([]string{"recovery", "open", "--in-the-clear", "--yes"}, s.first...)...)
	if got := s.must("unseal"); got != settings {
		t.Errorf("%s\n%s", settings, got)
	}
}

// Nothing but init and off changes a recovery, and the service does not see it.
func TestRecoveryBelongsToItself(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	before := s.dataTree()
	for _, key := range []string{"recovery_recipient", "recovery_shares", "recovery_signing_key"} {
		for _, args := range [][]string{{"set", "--stdin", key}, {"unset", key}} {
			if o := s.with("x", args...); o.code != 2 || !strings.Contains(o.stderr, key+" belongs to the recovery") {
				t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
			}
		}
	}
	editor := s.bring("editor", []byte("#!/bin/sh\nsed -i 's/^recovery_recipient=.*/recovery_recipient=x/' \"$1\"\n"))
	if err := os.Chmod(editor, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := s.command("edit")
	cmd.Env = append(cmd.Env, "VISUAL="+editor)
	if o := execute(t, cmd); o.code != 2 || !strings.Contains(o.stderr, "recovery_recipient belongs to the recovery") {
		t.Errorf("edit: exit %d\n%s", o.code, o.stderr)
	}
	foreign := s.bring("foreign.json", []byte(`{"recovery_recipient":"age1x","recovery_signing_key":"x","admin_port":"8080","private_port":"8443","instance_secret_key":"`+strings.Repeat("A", 43)+`="}`))
	s.must("import", "--merge", "--file", "instance", foreign)
	if o := s.opens(s.first...); o.code != 0 {
		t.Errorf("after an import: exit %d\n%s", o.code, o.stderr)
	}
	for _, args := range [][]string{
		{"unseal"}, {"export"}, {"unseal", "--format", "env"},
		{"run", "--env", "--", "sh", "-c", `env; cat "$SSOVAULT_INSTANCE" "$SSOVAULT_SHARED"`},
		{"run", "--dir", "--", "sh", "-c", `cat "$SSOVAULT_INSTANCE"`},
	} {
		if got := s.must(args...); strings.Contains(strings.ToLower(got), "recovery_") || !strings.Contains(got, "acme") && !strings.Contains(got, "admin_port") {
			t.Errorf("%v:\n%s", args, got)
		}
	}
	if show := s.must("show"); !strings.Contains(show, "recovery_recipient    age1") || !strings.Contains(show, "recovery_signing_key  ********") {
		t.Error(show)
	}
	// Off: the file goes, and no way is left.
	if o := s.run("recovery", "off"); o.code != 2 {
		t.Errorf("off without --yes: exit %d", o.code)
	}
	s.must("recovery", "off", "--yes")
	if _, ok := s.dataTree()["recovery.age"]; ok || maps.Equal(before, s.dataTree()) {
		t.Error("recovery.age is still there")
	}
	if kept, _ := filepath.Glob(s.base + "/data.before-*"); len(kept) > 0 {
		t.Errorf("kept: %v", kept)
	}
	if got := s.must("recovery", "status"); !strings.Contains(got, "nobody can open the settings") {
		t.Error(got)
	}
	if o := s.opens(s.first...); o.code != 12 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}

// A recovery file that was put into an empty folder is not lost by a dialog that
// makes a new instance there.
func TestStrayRecoveryFileIsKept(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	file := readData(t, s.connector, "recovery.age")
	s.wipeData()
	if err := os.Mkdir(s.data(""), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.data("recovery.age"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s.configure()
	s.must("set", "admin_port=9999")
	kept, _ := filepath.Glob(s.base + "/data.before-*/recovery.age")
	if len(kept) != 1 {
		t.Fatalf("%v", kept)
	}
	if b, err := os.ReadFile(kept[0]); err != nil || string(b) != file {
		t.Errorf("it is another: %v", err)
	}
	if _, ok := s.dataTree()["recovery.age"]; ok {
		t.Error("it is still in data/, which is another instance's now")
	}
	s.must("recovery", "open", "--force", "--in-the-clear", "--yes", "--file", kept[0], "--identity", s.in+"/identity.txt")
}

// A backup holds the recovery file of the same save, and brings it back.
func TestRecoveryFromABackup(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	archive := s.backup()
	s.deleteToken(s.token)
	s.wipeData()
	s.must("restore", "--accept-sks", archive)
	if got := s.must("recovery", "status"); !strings.Contains(got, "of the present save") {
		t.Error(got)
	}
	s.must(s.openArgs()...)
	s.must("run", "--", "/bin/true")
}

// A recovery file that opens nothing is whole in the backup: it is said when it
// is made, when it is tried and when it comes back.
func TestBackupOfABadRecoveryFile(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	const help = "without the HSM nobody can open these settings"
	for state, row := range map[string]struct {
		spoil func()
		says  string
	}{
		"current": {func() {}, ""},
		"other":   {func() { s.edit("recovery.age", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) }, "is damaged or not of this save"},
		"missing": {func() { s.removeData("recovery.age") }, "is missing"},
	} {
		pristine := newPristine(s.connector)
		row.spoil()
		archive := filepath.Join(s.in, state+".tar.zst")
		for _, args := range [][]string{
			{"backup", "--plaintext", "--json", archive},
			{"backup", "drill", "--json", archive},
			{"restore", "--dry-run", "--json", archive},
			{"restore", "--json", archive},
		} {
			o := s.run(args...)
			warned := strings.Contains(o.stderr, help)
			if o.code != 0 || warned != (row.says != "") || !strings.Contains(o.stderr, row.says) || !strings.Contains(o.stdout, `"recovery_file": "`+state+`"`) {
				t.Errorf("%s: %v: exit %d\n%s%s", state, args, o.code, o.stdout, o.stderr)
			}
		}
		pristine.restore()
	}
}

// The PIN of the token may come from a variable, which nobody sees afterwards.
func TestRecoveryWithAVariable(t *testing.T) {
	s := newLostScene(t)
	s.must(s.initArgs()...)
	files := s.shares()
	s.deleteToken(s.token)
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.command("recovery", "open", "--share", files[1], "--share", "-", "--token", s.fresh.Serial, "--library", s.module.Path, "--to-pin-source", "env:NEW_PIN", "--yes", "--json")
	cmd.Env = append(cmd.Env, "NEW_PIN="+s.token.PIN)
	cmd.Stdin = strings.NewReader(string(b))
	if o := execute(t, cmd); o.code != 0 || !strings.Contains(o.stdout, fmt.Sprintf("%q: %q", "token_serial", s.fresh.Serial)) {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// What a recovery replaces is said: a service that still has it, and a newer
// state that the token remembers.
func TestRecoverySaysWhatItReplaces(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	old := s.backup()
	s.must("set", "admin_port=9999")
	s.must("restore", old)
	cmd := s.command("run", "--", "cat")
	in, _ := cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForCommand(t, cmd.Process.Pid, "cat")
	o := s.run(append([]string{"recovery", "open", "--yes", "--token", s.token.Serial, "--library", s.module.Path, "--to-pin-source", "file:" + s.in + "/token.pin"}, s.first...)...)
	if o.code != 0 || !strings.Contains(o.stderr, "the service runs with the settings of before") || !strings.Contains(o.stderr, "remembers generation 3, and the recovery file is of generation 2") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	in.Close()
	_ = cmd.Wait()
	s.must("run", "--", "/bin/true")
}

// A pipe that nobody writes to is left at the first signal.
func TestRecoveryFromAPipe(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	pipe := filepath.Join(s.in, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--identity", "--share"} {
		cmd := s.command("recovery", "open", "--dry-run", "--in-the-clear", flag, pipe)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		silent := openPipe(t, pipe)
		defer silent.Close()
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// openPipe waits until somebody reads from a pipe, and opens its other end.
func openPipe(t *testing.T, path string) *os.File {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			return f
		}
		if !errors.Is(err, unix.ENXIO) {
			t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("nobody reads")
		}
	}
}
