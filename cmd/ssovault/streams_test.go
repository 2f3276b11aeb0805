package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shell runs a line of sh in which $S is the program.
func (c *connector) shell(line string) outcome {
	c.t.Helper()
	ours := c.command()
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Env, cmd.Dir = append(ours.Env, "S="+ours.Path), ours.Dir
	return execute(c.t, cmd)
}

// What nobody gets is an error; a command that prints nothing, or to /dev/null,
// needs no standard output.
func TestOutputClosed(t *testing.T) {
	c := newConnector(t)
	c.configure()
	for line, code := range map[string]int{
		`"$S" get sso_domain >&-`:          1,
		`"$S" show --json >&-`:             1,
		`"$S" unseal --file shared >&-`:    1,
		`"$S" get sso_domain >/dev/full`:   1,
		`"$S" get sso_domain >/dev/null`:   0,
		`"$S" get sso_domain 1<>/dev/null`: 0,
		`"$S" set admin_port=8181 >&-`:     0,
		`"$S" run -- /bin/true >&-`:        0,
	} {
		if o := c.shell(line); o.code != code {
			t.Errorf("%s: exit %d, want %d\n%s", line, o.code, code, o.stderr)
		}
	}
}

// Whatever the umask, what is made has the mode that is meant, and the service
// gets the umask that was given.
func TestUmask(t *testing.T) {
	c := newConnector(t)
	if o := c.shell(`umask 777; exec "$S" -config -answers ` + c.in + "/answers"); o.code != 0 {
		t.Fatal(o.stderr)
	}
	for name, mode := range map[string]os.FileMode{
		"run": 0o700, "data": 0o700, "logs": 0o700, "run/.lock": 0o600, "logs/ssovault.log": 0o600, "data/shared.encp": 0o600, "sks.pin": 0o600,
	} {
		info, err := os.Stat(filepath.Join(c.base, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s: mode %04o, want %04o", name, info.Mode().Perm(), mode)
		}
	}
	for _, mask := range []string{"0777", "0022", "0007"} {
		for _, flag := range []string{"", "--dir"} {
			o := c.shell(fmt.Sprintf(`umask %s; exec "$S" run %s -- /bin/sh -c umask`, mask, flag))
			if o.code != 0 || o.stdout != mask+"\n" {
				t.Errorf("umask %s %s: exit %d, %q\n%s", mask, flag, o.code, o.stdout, o.stderr)
			}
		}
	}
}

// An interruption says what was being done, once.
func TestInterruptedSays(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("open data/shared.encp: %w", fmt.Errorf("open: %w", context.Canceled)): "interrupted: open data/shared.encp",
		fmt.Errorf("wait for /b/run/.lock: %w", context.Canceled):                         "interrupted: wait for /b/run/.lock",
		context.Canceled: "interrupted",
	} {
		if got := says(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := says(fmt.Errorf("a: b")); !strings.Contains(got, "a: b") {
		t.Error(got)
	}
}
