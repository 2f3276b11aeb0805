package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// A change that is cut off in the middle: status says so, a start spends no try,
// and resume finishes, wherever the old PIN comes from.
func TestPINChangeCutOff(t *testing.T) {
	p := newPINScene(t)
	p.module.Reset()
	p.module.Plan("on C_SetPIN 1 kill")
	args := []string{"hsm", "pin", "change", "--token", p.token.Serial, "--token", p.second.Serial, "--pin-source", "file", "--new-pin-source", "file:" + p.in + "/next.pin"}
	if o := p.run(args...); o.code != 137 {
		t.Fatal(o)
	}
	p.module.Plan()
	p.module.Reset()
	if o := p.run("run", "--", "/bin/true"); o.code != 22 || !strings.Contains(o.stderr, "pin resume") || p.module.CallsOf("C_Login") != 0 {
		t.Errorf("a start: %+v, %d logins", o, p.module.CallsOf("C_Login"))
	}
	if o := p.run("status"); !strings.Contains(o.stdout, "pin resume") {
		t.Errorf("status: %+v", o)
	}
	if o := p.run(args...); o.code != 2 || !strings.Contains(o.stderr, "is under way") {
		t.Errorf("another change: %+v", o)
	}
	if o := p.run("inspect", filepath.Join(p.base, "run", "pin-change.json")); o.code != 0 || strings.Contains(o.stdout, p.next) || strings.Contains(o.stdout, p.token.PIN) {
		t.Errorf("the journal: %+v", o)
	}
	info, err := os.Stat(filepath.Join(p.base, "run", "pin-change.pin"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new PIN: %v, %v", info, err)
	}
	// The stored source was lost meanwhile, with the old PIN in it.
	if err := os.Remove(filepath.Join(p.base, "sks.pin")); err != nil {
		t.Fatal(err)
	}
	if o := p.run("hsm", "pin", "resume"); o.code != 22 {
		t.Errorf("resume without the old PIN: %+v", o)
	}
	if o := p.run("hsm", "pin", "resume", "--pin-source", "file:"+p.in+"/token.pin"); o.code != 0 || strings.Count(o.stdout, "has the new PIN") != 2 {
		t.Errorf("resume: %+v", o)
	}
	p.must("run", "--", "/bin/true")
}

// A source that cannot be written is refused before anything is done.
func TestPINSourceThatCannotFollow(t *testing.T) {
	p := newPINScene(t)
	p.edit("sks.properties", func(b []byte) []byte {
		return []byte(strings.Replace(string(b), "sks.pin=file", "sks.pin=env:THE_PIN", 1))
	})
	change := func(more ...string) outcome {
		args := append([]string{"hsm", "pin", "change", "--pin-source", "file:" + p.in + "/token.pin", "--new-pin-source", "file:" + p.in + "/next.pin"}, more...)
		return execute(t, p.command(args...))
	}
	before := p.tree()
	if o := change(); o.code != 2 || !strings.Contains(o.stderr, "--source-updated-elsewhere") {
		t.Errorf("%+v", o)
	}
	if len(p.tree()) != len(before) {
		t.Error("something was left")
	}
	if o := change("--source-updated-elsewhere"); o.code != 0 || strings.Contains(o.stdout, "stored source") {
		t.Errorf("%+v", o)
	}
	cmd := p.command("unseal", "--file", "shared")
	cmd.Env = append(cmd.Env, "THE_PIN="+p.next)
	if o := execute(t, cmd); o.code != 0 {
		t.Errorf("%+v", o)
	}
}

// On a terminal PINs are typed blind, new ones twice, names again.
func TestHSMOnATerminal(t *testing.T) {
	p := newPINScene(t)
	for _, row := range []struct {
		args    []string
		answers [][2]string // what shows, what is typed
		last    string
	}{
		{[]string{"hsm", "pin", "change"}, [][2]string{{"PIN of the token", p.token.PIN}, {"new PIN:", "typed-pin"}, {"new PIN, again:", "typed-pim"}}, "not the same"},
		{[]string{"hsm", "pin", "change"}, [][2]string{{"PIN of the token", p.token.PIN}, {"new PIN:", "typed-pin"}, {"new PIN, again:", "typed-pin"}}, "and so has its stored source, file"},
		{[]string{"key", "generate", "k", "--public"}, [][2]string{{"P (CKA_PRIVATE)", "k"}, {"PIN of the token", "typed-pin"}}, "generated in"},
		{[]string{"key", "delete", "k"}, [][2]string{{"PIN of the token", "typed-pin"}, {"Type k to go on", "no"}}, "that is not its name"},
		{[]string{"key", "delete", "k"}, [][2]string{{"PIN of the token", "typed-pin"}, {"Type k to go on", "k"}}, `deleted: "k"`},
		{[]string{"key", "delete", "k"}, [][2]string{{"PIN of the token", "typed-pin"}}, `there is no key "k"`},
		{[]string{"key", "list"}, [][2]string{{"PIN of the token", "wrong-pin"}}, "the token says that a PIN was refused"},
		{[]string{"key", "list"}, [][2]string{{"(the token says that a PIN was refused", "typed-pin"}}, "LABEL"},
	} {
		cmd := p.command(row.args...)
		show(t, cmd, row.answers, row.last)
	}
	p.must("run", "--", "/bin/true")
}

// show types answers as their questions show. What is typed blind never shows.
func show(t *testing.T, cmd *exec.Cmd, answers [][2]string, last string) {
	t.Helper()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	d := &typing{t: t, terminal: terminal}
	for _, a := range answers {
		d.await(a[0])
		d.answer(a[1])
	}
	d.await(last)
	_ = cmd.Wait() // its status is not what is looked at here
	for _, a := range answers {
		if len(a[1]) > 4 && strings.Contains(d.all.String(), a[1]) {
			t.Errorf("%v shows what was typed:\n%s", cmd.Args, d.all.String())
		}
	}
}
