package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminalModes gives what the terminal of a job is set to.
func (d *typing) terminalModes() *unix.Termios {
	d.t.Helper()
	found, err := unix.IoctlGetTermios(int(d.terminal.Fd()), unix.TCGETS)
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// underShell starts a command as a job of a shell, which tells how it ended.
func (s *twoTokens) underShell(t *testing.T, args ...string) *typing {
	t.Helper()
	script := `set -m; "$0" "$@"; echo "status $?"; stty -a; echo "that is" all`
	cmd := exec.Command("sh", append([]string{"-c", script, program(t)}, args...)...)
	of := s.command(args...)
	cmd.Env, cmd.Dir = of.Env, of.Dir
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		terminal.Close()
		_ = cmd.Wait() // hung up, or ended
	})
	return &typing{t: t, terminal: terminal}
}

// ends0 wants the job to have ended well, and Ctrl-Z to be again what it was.
func (d *typing) ends0() {
	d.t.Helper()
	d.await("that is all")
	if all := d.all.String(); !strings.Contains(all, "status 0\r\n") || !strings.Contains(all, "susp = ^Z;") || !strings.Contains(all, " echo ") {
		d.t.Errorf("%q", all)
	}
}

// Ctrl-Z in the middle of a PIN: the job goes on, and the PIN is the one without it.
func TestSuspendAtABlindPrompt(t *testing.T) {
	s := newTwoTokens(t)
	for name, typed := range map[string]string{
		"in the middle": s.token.PIN[:3] + "\x1a" + s.token.PIN[3:],
		"all about":     "\x1a\x1a" + s.token.PIN + "\x1a",
		"taken back":    s.token.PIN + "\x1a\x7f\x1a",
	} {
		d := s.underShell(t, "key", "list", "--token", s.token.Serial)
		d.await(": ")
		if now := d.terminalModes(); now.Cc[unix.VSUSP] != 0 || now.Lflag&unix.ECHO != 0 {
			t.Errorf("%s: %+v", name, now)
		}
		d.answer(typed)
		d.ends0()
		if all := d.all.String(); strings.Contains(all, s.token.PIN[3:]) || strings.Contains(all, "^Z\r\n") {
			t.Errorf("%s: what was typed is shown: %q", name, all)
		}
	}
}

// Ctrl-Z leaves no component on a screen.
func TestSuspendAtAComponent(t *testing.T) {
	s := newTwoTokens(t)
	d := s.underShell(t, "key", "components", "KEK", "--token", s.token.Serial, "--pin-source", s.pin, "--count", "2", "--attributes", "E", "--type", "des3")
	for range 2 {
		d.await("Press Enter to see it: ")
		d.answer("\x1a")
		d.await("Press Enter when you have them: ")
		if d.terminalModes().Cc[unix.VSUSP] != 0 {
			t.Error("Ctrl-Z would stop it")
		}
		d.answer("\x1a")
	}
	d.ends0()
	if all := d.all.String(); strings.Contains(all[strings.LastIndex(all, "\x1b[2J"):], "block 1") {
		t.Errorf("a component stays on the screen: %q", all)
	}
}

// A stop from elsewhere: once it goes on, what is typed is hidden as before.
func TestContinuedAtABlindPrompt(t *testing.T) {
	s := newTwoTokens(t)
	cmd := s.command("key", "list", "--token", s.token.Serial)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	d := &typing{t: t, terminal: terminal}
	d.await(": ")
	quiet := *d.terminalModes()
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, unix.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("%v, %v", status, err)
	}
	shells := quiet
	shells.Lflag |= unix.ECHO
	shells.Cc[unix.VSUSP] = 0x1A
	if err := unix.IoctlSetTermios(int(terminal.Fd()), unix.TCSETS, &shells); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// A terminal tells nobody that its modes were changed.
	for end := time.Now().Add(20 * time.Second); *d.terminalModes() != quiet; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v, and was %+v", d.terminalModes(), quiet)
		}
	}
	d.answer(s.token.PIN)
	d.await("LABEL")
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, d.all.String())
	}
	if strings.Contains(d.all.String(), s.token.PIN) {
		t.Errorf("the PIN is shown: %q", d.all.String())
	}
}
