package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestRunBecomesTheCommand(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.must("set", "admin_port=9999")

	cmd := c.command("run", "--", "/bin/sh", "-c", `
		echo pid=$$
		cat "$SSOVAULT_INSTANCE" "$SSOVAULT_SHARED"
		stat -L -c 'mode=%a' "$SSOVAULT_SHARED"
		(echo x >> "$SSOVAULT_SHARED") 2>/dev/null && echo writable
		cat /proc/self/fdinfo/* | grep -c ^pos: | sed s/^/descriptors=/
		exit 41`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
	}
	_ = cmd.Wait()
	got := text.String()
	for _, want := range []string{
		fmt.Sprintf("pid=%d\n", cmd.Process.Pid), "admin_port=9999\n", "sso_domain=acme\n", "shared_secret_key=", "mode=444\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "writable") {
		t.Error("the command can change its settings")
	}
	if code := cmd.ProcessState.ExitCode(); code != 41 {
		t.Errorf("exit %d", code)
	}
	if ws := execute(t, c.command("run", "--", "/bin/sh", "-c", "kill -TERM $$")); ws.code != 128+int(syscall.SIGTERM) {
		t.Errorf("a signal became exit %d", ws.code)
	}
	// The service, and nobody else, holds the lock on .running.
	cmd = c.command("run", "--", "cat")
	in, _ := cmd.StdinPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForCommand(t, cmd.Process.Pid, "cat")
	if status := c.must("status", "--json"); !strings.Contains(status, `"running": true`) {
		t.Error(status)
	}
	for _, args := range [][]string{{"-disableSKS"}, {"-config", "-disableSKS", "-answers", c.in + "/answers"}} {
		if o := c.run(args...); o.code != 31 {
			t.Errorf("%v under a running service: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	c.must("set", "admin_port=9998") // a change needs no stop
	in.Close()
	_ = cmd.Wait()
	if status := c.must("status", "--json"); !strings.Contains(status, `"running": false`) {
		t.Error(status)
	}
}

// waitForCommand waits until the process has become a program of that name.
func waitForCommand(t *testing.T, pid int, name string) {
	t.Helper()
	for {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(b)) == name {
			return
		}
	}
}

func TestRunFailures(t *testing.T) {
	c := newConnector(t)
	c.configure()
	notRunnable := c.bring("script", []byte("#!/no/such/interpreter\n"))
	for _, row := range []struct {
		args []string
		exit int
	}{
		{[]string{"run", "--", "no-such-command"}, 127},
		{[]string{"run", "--", "/no/such/command"}, 127},
		{[]string{"run", "--", notRunnable}, 126},
		{[]string{"run", "--failure-code", "75", "--", "/no/such/command"}, 75},
		{[]string{"run"}, 2},
		{[]string{"run", "--no-such-flag"}, 2},
	} {
		o := c.run(row.args...)
		if o.code != row.exit {
			t.Errorf("%v: exit %d\n%s", row.args, o.code, o.stderr)
		}
	}
	trace := filepath.Join(c.base, "run", "last-failure.json")
	c.removeData("shared.encp")
	if o := c.run("run", "--failure-code", "75", "--", "/bin/true"); o.code != 75 {
		t.Errorf("exit %d", o.code)
	}
	var last lastFailure
	b, err := os.ReadFile(trace)
	if err == nil {
		err = json.Unmarshal(b, &last)
	}
	if err != nil || last.Exit != 12 || last.Cause != "c" || last.Hint == "" {
		t.Errorf("%+v, %v", last, err)
	}
	c = newConnector(t)
	c.configure()
	c.module.Vanish()
	c.run("run", "--", "/bin/true")
	c.module.Return()
	c.must("run", "--", "/bin/true")
	if _, err := os.Stat(filepath.Join(c.base, "run", "last-failure.json")); err == nil {
		t.Error("the trace of the failure outlives the next start")
	}
}

func TestRunEnv(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.must("set", "my.own-name=a b=c", "other.name=ü")
	out := c.must("run", "--env", "--", "/usr/bin/env")
	for _, want := range []string{"SSOVAULT_P_SSO_DOMAIN=acme\n", "SSOVAULT_P_MY_OWN_NAME=a b=c\n", "SSOVAULT_P_OTHER_NAME=ü\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if out := c.must("run", "--", "/usr/bin/env"); strings.Contains(out, "SSOVAULT_P_") {
		t.Error("variables nobody asked for")
	}
	c.must("set", "my_own.name=2")
	if o := c.run("run", "--env", "--", "/bin/true"); o.code != 2 || !strings.Contains(o.stderr, "my_own.name") {
		t.Errorf("a collision: %+v", o)
	}
	cmd := c.command("set", "--stdin", "my_own.name")
	cmd.Stdin = strings.NewReader("a\x00b")
	if o := execute(t, cmd); o.code != 0 {
		t.Fatal(o.stderr)
	}
	c.must("unset", "my.own-name")
	if o := c.run("run", "--env", "--", "/bin/true"); o.code != 2 || !strings.Contains(o.stderr, "NUL") {
		t.Errorf("a NUL: %+v", o)
	}
	cmd = c.command("set", "--stdin", "my_own.name")
	cmd.Stdin = strings.NewReader(strings.Repeat("x", 128<<10))
	if o := execute(t, cmd); o.code != 0 {
		t.Fatal(o.stderr)
	}
	if o := c.run("run", "--env", "--", "/bin/true"); o.code != 2 || !strings.Contains(o.stderr, "128 KiB") {
		t.Errorf("too long: %+v", o)
	}
	c.must("run", "--", "/bin/true")
}

func TestRunDir(t *testing.T) {
	c := newConnector(t)
	c.configure()
	o := c.run("run", "--dir", "--", "/bin/sh", "-c", `dirname "$SSOVAULT_SHARED"; stat -c %a "$(dirname "$SSOVAULT_SHARED")"; stat -f -c %T "$SSOVAULT_SHARED"; grep sso_domain "$SSOVAULT_SHARED"; exit 7`)
	lines := strings.Split(o.stdout, "\n")
	if o.code != 7 || len(lines) < 4 || lines[1] != "700" || lines[2] != "tmpfs" || lines[3] != "sso_domain=acme" {
		t.Fatalf("%+v", o)
	}
	if _, err := os.Stat(lines[0]); !os.IsNotExist(err) {
		t.Errorf("the folder %s outlives the command", lines[0])
	}
	// Signals go to the command, and its death by one is passed on.
	cmd := c.command("run", "--dir", "--", "/bin/sh", "-c", `trap 'echo got TERM; exit 3' TERM; echo ready; while :; do read x || exit 9; done`)
	in, _ := cmd.StdinPipe()
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := bufio.NewReader(out)
	if line, _ := text.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q", line)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.must("set", "admin_port=9997") // a change needs no stop here either
	in.Write([]byte("\n"))           // dash looks at its traps between commands
	if line, _ := text.ReadString('\n'); line != "got TERM\n" {
		t.Errorf("%q", line)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 3 {
		t.Errorf("exit %d", code)
	}
	if o := c.run("run", "--dir", "--", "/bin/sh", "-c", "kill -KILL $$"); o.code != 128+9 {
		t.Errorf("killed: exit %d", o.code)
	}
	// A parent that was killed leaves its folder; the next start removes it.
	cmd = c.command("run", "--dir", "--", "/bin/sh", "-c", `echo "$SSOVAULT_SHARED"; read x`)
	in, _ = cmd.StdinPipe()
	out, _ = cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	path, _ := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	in.Close()
	path = strings.TrimSpace(path)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("nothing to clear away: %v", err)
	}
	c.must("run", "--dir", "--", "/bin/true")
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s is still there", path)
	}
}

// Nothing unsealed reaches a disk, and no secret is seen where it does not
// belong: every byte that ssovault writes anywhere is looked at.
func TestNothingLeaks(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("strace is missing: install the package strace")
	}
	c := newConnector(t)
	c.configure()
	cmd := c.command("set", "--stdin", "vendor_token")
	cmd.Stdin = strings.NewReader(canaryValue + "\n")
	if o := execute(t, cmd); o.code != 0 {
		t.Fatal(o.stderr)
	}
	secrets := []string{canaryValue, c.token.PIN}
	for _, key := range []string{"shared_secret_key", "instance_secret_key"} {
		secrets = append(secrets, strings.TrimSpace(c.must("get", key))[:20])
	}
	log := filepath.Join(c.dir, "strace.log")
	for _, args := range [][]string{
		{"run", "--", "/bin/true"}, {"set", "admin_port=1234"}, {"doctor"}, {"show"}, {"support", filepath.Join(c.dir, "bundle.tar.gz")},
		{"unseal", "--file", "shared"}, {"-config", "-answers", c.in + "/answers"},
	} {
		plain := c.command(args...)
		traced := exec.Command("strace", append([]string{"-f", "-y", "-s", "100000", "-e", "trace=write,pwrite64,writev,execve,sendto,sendmsg", "-o", log}, plain.Args...)...)
		traced.Env, traced.Dir = plain.Env, plain.Dir
		o := execute(t, traced)
		if o.code != 0 {
			t.Fatalf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			for i, s := range secrets {
				if !strings.Contains(line, s) {
					continue
				}
				toMemory := strings.Contains(line, "</memfd:") || strings.Contains(line, "<socket:") || strings.Contains(line, "<UNIX")
				asked := args[0] == "unseal" && strings.Contains(line, "write(1<pipe:")
				pinFile := args[0] == "-config" && i == 1 && strings.Contains(line, "sks.pin")
				if !toMemory && !asked && !pinFile {
					t.Errorf("%v: secret %d in %.200s", args, i, line)
				}
			}
		}
		for i, s := range secrets {
			if strings.Contains(o.stderr, s) || args[0] != "unseal" && strings.Contains(o.stdout, s) {
				t.Errorf("%v prints secret %d", args, i)
			}
		}
	}
	for name, content := range c.tree() {
		for i, s := range secrets {
			if strings.Contains(content, s) && !(name == "sks.pin" && i == 1) {
				t.Errorf("%s holds secret %d", name, i)
			}
		}
	}
	b, err := os.ReadFile(filepath.Join(c.base, "logs", "ssovault.log"))
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := exec.Command("tar", "-xzOf", filepath.Join(c.dir, "bundle.tar.gz")).Output()
	if err != nil || len(bundle) < 1000 {
		t.Fatalf("%d bytes of bundle, %v", len(bundle), err)
	}
	for i, s := range secrets {
		if strings.Contains(string(b)+string(bundle), s) {
			t.Errorf("the log or the bundle holds secret %d", i)
		}
	}
}

// While ssovault and its helper hold secrets, nobody of the same user can look
// into them, and none of their environments or arguments holds one. The PIN
// from a variable is gone from the service's environment too.
func TestProcessesAreClosed(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.setSKS("sks.pin", "env:HSM_PIN")
	c.module.Reset()
	c.module.Plan("on C_Decrypt 2 hang")
	cmd := c.command("run", "--", "/usr/bin/env")
	cmd.Env = append(cmd.Env, "HSM_PIN="+c.token.PIN)
	cmd.Stdout = nil
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for c.module.CallsOf("C_Decrypt") < 2 { // both processes hold the PIN or settings now
		if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
			t.Fatal(err)
		}
	}
	pids := []int{cmd.Process.Pid}
	children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", cmd.Process.Pid))
	for _, path := range children {
		b, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(b)) {
			pid, _ := strconv.Atoi(field)
			pids = append(pids, pid)
		}
	}
	if len(pids) != 2 {
		t.Errorf("processes %v: no helper", pids)
	}
	for _, pid := range pids {
		for _, name := range []string{"environ", "cmdline"} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
			if err != nil || strings.Contains(string(b), c.token.PIN) {
				t.Errorf("%s of %d holds the PIN, or %v", name, pid, err)
			}
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	c.module.Plan()
	for _, args := range [][]string{{"run", "--", "/usr/bin/env"}, {"run", "--pin-source", "file:" + c.in + "/token.pin", "--", "/usr/bin/env"}} {
		cmd = c.command(args...)
		cmd.Env = append(cmd.Env, "HSM_PIN="+c.token.PIN)
		o := execute(t, cmd)
		if o.code != 0 || strings.Contains(o.stdout, c.token.PIN) || strings.Contains(o.stdout, "SSOVAULT_HIDDEN") || !strings.Contains(o.stderr, "comes from a variable") {
			t.Errorf("%v: the service sees the PIN, or nobody is warned: %+v", args, o)
		}
	}
	// What is on standard input survives the start without the variable.
	for _, args := range [][]string{{"set", "--stdin", "vendor_token"}, {"import", "--merge", "--file", "instance", "-"}} {
		cmd = c.command(args...)
		cmd.Env = append(cmd.Env, "HSM_PIN="+c.token.PIN)
		cmd.Stdin = strings.NewReader("vendor_token=" + canaryValue + "\n")
		if o := execute(t, cmd); o.code != 0 {
			t.Fatalf("%v: %+v", args, o)
		}
		cmd = c.command("get", "vendor_token")
		cmd.Env = append(cmd.Env, "HSM_PIN="+c.token.PIN)
		if o := execute(t, cmd); !strings.HasSuffix(o.stdout, canaryValue+"\n") {
			t.Errorf("%v saved %q", args, o.stdout)
		}
	}
}

// No core is dumped of a process that is undumpable, even where root allows
// any size.
func TestNoCoreDump(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.module.Reset()
	c.module.Plan("on C_Decrypt 2 hang")
	cores := filepath.Join(c.dir, "cores")
	if err := os.Mkdir(cores, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -c unlimited; cd "$1"; shift; exec "$@"`, "sh", cores, program(t), "unseal")
	cmd.Env = c.command().Env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for c.module.CallsOf("C_Decrypt") < 2 {
		if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.CoreDump() {
		t.Error("a core was dumped")
	}
	if left, _ := os.ReadDir(cores); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Sixteen services that start at once on one SoftHSM, which is not safe under
// parallel processes by itself.
func TestParallelStarts(t *testing.T) {
	c := newConnector(t)
	c.bring("answers", []byte(strings.ReplaceAll(c.answers(), c.module.Path, c.token.Library)))
	c.configure()
	const starts = 16
	codes := make(chan outcome, starts)
	for range starts {
		go func() { codes <- execute(t, c.command("run", "--", "/bin/true")) }()
	}
	for range starts {
		if o := <-codes; o.code != 0 {
			t.Errorf("exit %d\n%s", o.code, o.stderr)
		}
	}
}

// How often a start asks the device does not grow with the settings.
func TestCallsOfAStart(t *testing.T) {
	c := newConnector(t)
	c.configure()
	calls := func() int {
		c.module.Reset()
		c.must("run", "--", "/bin/true")
		return c.module.Calls()
	}
	few := calls()
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("setting%d=%d", i, i))
	}
	c.must(append([]string{"set"}, many...)...)
	if n := calls(); n != few || n > 36 {
		t.Errorf("%d calls with few settings, %d with many; at most 36", few, n)
	}
	t.Logf("%d calls", few)
}
