package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestConfigScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/script/config.txtar"},
		Setup: func(e *testscript.Env) error {
			return os.WriteFile(filepath.Join(e.WorkDir, "tls.pem"), tlsPEM(t, "sso.example.com"), 0o600)
		},
	})
}

// dialog answers every question of a first configuration, by hand.
func (c *connector) dialog() []string {
	return []string{
		"acme", "sso.example.com", "", "", "", "", "", "", "", "", "",
		filepath.Join(c.in, "tls.pem"), "", "", filepath.Join(c.in, "idp.xml"),
		"y", "Other", c.module.Path, "", c.token.Serial, c.token.PIN, "", "", "", "y",
	}
}

// onTerminal runs ssovault with a terminal of its own; each answer is typed
// when its question shows. After them keys are pressed, when at shows.
func (c *connector) onTerminal(answers []string, at, keys string, args ...string) (shown string, code int) {
	c.t.Helper()
	cmd := c.command(args...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		c.t.Fatal(err)
	}
	defer terminal.Close()
	var all bytes.Buffer
	answered := 0 // bytes of the output before the last answer
	pressed := false
	b := make([]byte, 4096)
	for {
		n, err := terminal.Read(b)
		all.Write(b[:n])
		if err != nil { // the terminal is hung up: ssovault has ended
			break
		}
		text, awaited := keys, at
		if len(answers) > 0 {
			awaited = ": "
		}
		if tail := all.Bytes()[answered:]; pressed || !bytes.HasSuffix(tail, []byte(awaited)) {
			continue
		}
		answered = all.Len()
		if len(answers) > 0 {
			text, answers = answers[0]+"\r", answers[1:]
		} else {
			pressed = true
		}
		if _, err := terminal.WriteString(text); err != nil {
			c.t.Fatal(err)
		}
	}
	_ = cmd.Wait() // its code is what was asked for
	// Linux may call a terminal hung up before it has given all that was written.
	_, _ = all.ReadFrom(terminal)
	return strings.ReplaceAll(all.String(), "\r\n", "\n"), cmd.ProcessState.ExitCode()
}

// A person, a pipe and the real token: same words, sealed settings that open.
func TestConfigDialogOnARealToken(t *testing.T) {
	c := newConnector(t)
	shown, code := c.onTerminal(c.dialog(), ": ", "\x04", "-config")
	if code != 0 || !strings.Contains(shown, "\n1 certificates found\n") {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	if strings.Contains(shown, c.token.PIN) || strings.Contains(shown, "\x1b") {
		t.Errorf("a password or an escape code is shown:\n%q", shown)
	}
	if got := c.must("get", "sso_domain"); got != "acme\n" {
		t.Errorf("sso_domain is %q", got)
	}
	number := strings.TrimSpace(c.must("get", "instance_number"))

	c.base = filepath.Join(c.dir, "base") // the same paths, so the same words
	if err := os.Rename(c.base, c.base+".terminal"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(c.base, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := c.command("-config")
	cmd.Stdin = strings.NewReader(strings.Join(c.dialog(), "\n") + "\n")
	o := execute(t, cmd)
	if o.code != 0 || o.stdout != "" {
		t.Fatalf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	second := strings.TrimSpace(c.must("get", "instance_number"))
	if diff := cmp.Diff(strings.ReplaceAll(shown, number, "NUMBER"), strings.ReplaceAll(o.stderr, second, "NUMBER")); diff != "" {
		t.Errorf("terminal and pipe differ:\n%s", diff)
	}
}

// However it is broken off, at every question: 130, and the same disk and token.
func TestConfigBrokenOffOnARealToken(t *testing.T) {
	c := newConnector(t)
	c.configure()
	token, before := c.token.Snapshot(t), c.tree()
	second := []string{"", "", "", "", "", "8181", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", ""}
	for n := 0; n < len(second)-1; n += 4 {
		if shown, code := c.onTerminal(second[:n:n], ": ", "\x03", "-config"); code != 130 {
			t.Fatalf("Ctrl-C at question %d: exit %d\n%s", n, code, shown)
		}
		cmd := c.command("-config")
		cmd.Stdin = strings.NewReader(strings.Repeat("\n", n))
		if o := execute(t, cmd); o.code != 130 {
			t.Fatalf("end of input at question %d: exit %d\n%s", n, o.code, o.stderr)
		}
		if diff := cmp.Diff(before, c.tree()); diff != "" {
			t.Fatalf("at question %d the disk changed:\n%s", n, diff)
		}
	}
	if diff := cmp.Diff(token, c.token.Snapshot(t)); diff != "" {
		t.Errorf("the token changed:\n%s", diff)
	}
}

// A refused password is tried once, and its code is the cause's.
func TestConfigRefusedPasswordOnARealToken(t *testing.T) {
	c := newConnector(t)
	c.bring("token.pin", []byte("wrong-password"))
	c.module.Reset()
	o := c.run("-answers", filepath.Join(c.in, "answers"))
	if o.code != 20 || c.module.CallsOf("C_Login") != 1 {
		t.Errorf("exit %d, %d logins\n%s", o.code, c.module.CallsOf("C_Login"), o.stderr)
	}
	left := c.tree()
	delete(left, "run/pin-refused") // so that nobody tries it again by itself
	if len(left) != 0 {
		t.Error(left)
	}
	if o := c.run("-answers", filepath.Join(c.in, "answers")); o.code != 20 || c.module.CallsOf("C_Login") != 1 {
		t.Errorf("again: exit %d, %d logins\n%s", o.code, c.module.CallsOf("C_Login"), o.stderr)
	}
}

// A Ctrl-C while the device works is a signal, and ends the dialog too.
func TestConfigInterruptedWhileTheDeviceHangs(t *testing.T) {
	c := newConnector(t)
	c.module.Plan("on C_Login 1 hang")
	answers := c.dialog()
	at := 0
	for i, answer := range answers {
		if answer == c.token.PIN {
			at = i
		}
	}
	shown, code := c.onTerminal(answers[:at+1:at+1], "\r\n", "\x03", "-config")
	if code != 130 || len(c.tree()) != 0 {
		t.Errorf("exit %d, %v\n%s", code, c.tree(), shown)
	}
}

// The terminal is given back with its echo.
func TestConfigGivesTheTerminalBack(t *testing.T) {
	c := newConnector(t)
	script := `"$0" -config; stty -a | tr ';' '\n' | tr ' ' '\n' | grep -x -e 'echo' -e 'icanon' -e 'isig'`
	cmd := exec.Command("sh", "-c", script, program(t))
	cmd.Env, cmd.Dir = c.command().Env, c.dir
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var all bytes.Buffer
	b := make([]byte, 4096)
	for {
		n, err := terminal.Read(b)
		all.Write(b[:n])
		if strings.HasSuffix(all.String(), "SSO Domain Name: ") {
			if _, err := terminal.WriteString("\x03"); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	_ = cmd.Wait() // what it shows is what counts
	for _, mode := range []string{"\necho\r", "\nicanon\r", "\nisig\r"} {
		if !strings.Contains(all.String(), mode) {
			t.Errorf("no %q in %q", mode, all.String())
		}
	}
}

// A fresh start that fails leaves no copy of what is still in data/; one that
// does not keeps all of it in one place.
func TestStartAfreshThatFails(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.must("recovery", "init", "--generate", "-o", filepath.Join(c.dir, "identity"))
	c.removeData("sks.properties")
	args := []string{"-config", "-answers", c.bring("afresh", []byte(c.answers()+"start_afresh=y\n"))}
	before := c.tree()
	c.module.Plan("on C_GenerateKey * return 0x30")
	if o := c.run(args...); o.code != 10 {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	if diff := cmp.Diff(before, c.tree()); diff != "" {
		t.Errorf("after the failure (-before +after):\n%s", diff)
	}
	c.module.Plan()
	c.must(args...)
	if kept, err := filepath.Glob(c.base + "/data.before-config-*"); err != nil || len(kept) != 1 {
		t.Errorf("kept %q, %v", kept, err)
	}
}
