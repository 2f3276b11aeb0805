package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What was ignored when ssovault began is ignored in the service, as if ssovault
// were not there: systemd starts services with SIGPIPE ignored, nohup with SIGHUP.
func TestIgnoredSignalsStayIgnored(t *testing.T) {
	c := newConnector(t)
	c.configure()
	const show = "grep SigIgn /proc/self/status"
	for _, ignore := range []string{"true", "trap '' PIPE USR1 HUP"} {
		without, err := exec.Command("/bin/sh", "-c", ignore+"; exec /bin/sh -c '"+show+"'").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, run := range [][]string{{"run"}, {"run", "--dir"}} {
			with := c.command(append(run, "--", "/bin/sh", "-c", show)...)
			with.Args = append([]string{"/bin/sh", "-c", ignore + `; exec "$0" "$@"`, with.Path}, with.Args[1:]...)
			with.Path = "/bin/sh"
			if o := execute(t, with); o.code != 0 || o.stdout != string(without) {
				t.Errorf("%s, %v: %q, and %q without ssovault\n%s", ignore, run, o.stdout, without, o.stderr)
			}
		}
	}
}

// A signal that comes before the service is there ends the start, also where it
// comes while the HSM is asked.
func TestStartIsInterrupted(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.module.Reset()
	c.module.Plan("on C_FindObjectsInit 1 hang")
	cmd := c.command("run", "--", "/bin/sleep", "600")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for c.module.CallsOf("C_FindObjectsInit") < 1 {
		if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "interrupted: ") || strings.Contains(stderr.String(), "context") {
		t.Errorf("exit %d\n%s", code, stderr.String())
	}
	if _, err := os.Stat(filepath.Join(c.base, "run", "last-failure.json")); err == nil {
		t.Error("an interruption is left as a failure")
	}
}

// printChildren prints the children of a shell in a line, before it has any.
const printChildren = `read children < /proc/$$/task/$$/children; echo "$children"; `

// The service does not inherit the library's process, which is started before
// it is known whether it will be needed.
func TestServiceHasNoChildren(t *testing.T) {
	c := newConnector(t)
	c.configure()
	sealed := newPristine(c)
	for name, prepare := range map[string]func(){
		"sealed":                func() {},
		"PIN from a variable":   func() { c.setSKS("sks.pin", "env:HSM_PIN") },
		"settings in the clear": func() { c.must("-disableSKS") },
	} {
		sealed.restore()
		prepare()
		cmd := c.command("run", "--", "/bin/sh", "-c", printChildren+"exit 7")
		cmd.Env = append(cmd.Env, "HSM_PIN="+c.token.PIN)
		if o := execute(t, cmd); o.code != 7 || o.stdout != "\n" {
			t.Errorf("%s: children %q, exit %d\n%s", name, o.stdout, o.code, o.stderr)
		}
	}
}
