package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// A crash test stops one command at its n-th call, for every n: file-system
// calls by ptrace, PKCS#11 calls by the faulty module. Afterwards the old or
// the new state opens, a second run completes, and the token holds what that
// state needs and nothing else.

// scenario is a command that changes everything.
type scenario struct {
	name string
	args func(*connector) []string
	// prepared: the connector is configured before.
	prepared bool
	// spoil is what happened to the connector since.
	spoil func(*connector)
	// only limits the kinds of faults, by the beginning of their names.
	only string
}

var scenarios = []scenario{
	{name: "config", args: func(c *connector) []string { return []string{"-config", "-answers", c.in + "/answers"} }},
	{name: "config again with a new key", prepared: true,
		args: func(c *connector) []string { return []string{"-config", "--new-key", "-answers", c.in + "/answers"} }},
	{name: "set", prepared: true, args: func(c *connector) []string {
		return []string{"set", "admin_port=9999", "ssl_file=" + c.in + "/other.pem"}
	}},
	{name: "start afresh", prepared: true, only: "file kill",
		spoil: func(c *connector) { c.edit("shared.encp", func(b []byte) []byte { return b[:len(b)-1] }) },
		args: func(c *connector) []string {
			return []string{"-config", "-answers", c.bring("afresh", []byte(c.answers()+"start_afresh=y\n"))}
		}},
	{name: "disableSKS", prepared: true, args: func(*connector) []string { return []string{"-disableSKS"} }},
}

// injection is a kind of fault.
type injection struct {
	name string
	// wrap gives the command that runs args with the fault at call n; n = 0
	// only counts.
	wrap func(c *connector, n int, args []string) *exec.Cmd
	// count reads how many calls the counting run made.
	count func(c *connector) int
}

func fileFault(sysfault, action string) injection {
	logOf := func(c *connector) string { return filepath.Join(c.dir, "calls") }
	return injection{
		name: "file " + action,
		wrap: func(c *connector, n int, args []string) *exec.Cmd {
			argv := []string{"-o", logOf(c), "-p", c.base}
			if n > 0 {
				argv = append(argv, "-s", c.emptyFolder("side"), "-n", strconv.Itoa(n), "-a", action)
			}
			plain := c.command(args...)
			cmd := exec.Command(sysfault, append(append(argv, "--"), plain.Args...)...)
			cmd.Env, cmd.Dir = plain.Env, plain.Dir
			return cmd
		},
		count: func(c *connector) int {
			b, err := os.ReadFile(logOf(c))
			if err != nil {
				c.t.Fatal(err)
			}
			return strings.Count(string(b), "\n")
		},
	}
}

// emptyFolder makes a folder of that name empty, outside the install folder.
func (c *connector) emptyFolder(name string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o700)); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func tokenFault(action string) injection {
	return injection{
		name: "token " + action,
		wrap: func(c *connector, n int, args []string) *exec.Cmd {
			c.module.Reset()
			if n > 0 {
				c.module.Plan(fmt.Sprintf("on * %d %s", n, action))
			}
			return c.command(args...)
		},
		count: func(c *connector) int { return c.module.Calls() },
	}
}

// everyFault is what a command is to survive at each of its calls.
func everyFault(t *testing.T) []injection {
	return append(fileFaults(t),
		tokenFault("kill"), tokenFault("kill-after"), tokenFault("return 0x30"), tokenFault("after 0x30"))
}

// fileFaults are those of the file system alone. A power cut is a kill after
// which everything that was not synced is gone.
func fileFaults(t *testing.T) (all []injection) {
	sysfault := p11test.Sysfault(t)
	for _, action := range []string{"kill", "power", "ENOSPC", "ENOSPC+", "EIO", "short+"} {
		all = append(all, fileFault(sysfault, action))
	}
	return all
}

// everyPoint goes through all points instead of one in sampleStep: make crash.
const everyPoint, sampleStep = "SSOVAULT_EVERY_POINT", 7

// points are those of n that this run goes through. Which ones depends on the
// name: together the sweeps of one run meet all kinds.
func points(name string, n int) (chosen []int) {
	step, first := 1, 1
	if os.Getenv(everyPoint) == "" {
		h := fnv.New32a()
		_, _ = h.Write([]byte(name))
		step, first = sampleStep, 1+int(h.Sum32()%sampleStep)
	}
	for k := first; k <= n; k += step {
		chosen = append(chosen, k)
	}
	return chosen
}

// sweep runs a command with a fault at one of its calls after the other, for
// every injection. again brings back what was there before; each looks at what
// a run has left. It ends with the first failure of the test.
func sweep(c *connector, name string, injections []injection, again func(), command func(i injection, n int) *exec.Cmd, each func(point string, o outcome)) {
	c.t.Helper()
	for _, i := range injections {
		again()
		if o := execute(c.t, command(i, 0)); o.code != 0 {
			c.t.Fatalf("without a fault: exit %d\n%s", o.code, o.stderr)
		}
		n := i.count(c)
		if n < 3 {
			c.t.Fatalf("%s: only %d calls were counted", i.name, n)
		}
		chosen := points(name+i.name, n)
		c.t.Logf("%s: %d of %d points", i.name, len(chosen), n)
		for _, k := range chosen {
			again()
			point := fmt.Sprintf("%s, %s at call %d", name, i.name, k)
			o := execute(c.t, command(i, k))
			c.module.Plan()
			if o.code == 125 {
				c.t.Fatalf("%s: %s", point, o.stderr)
			}
			if each(point, o); c.t.Failed() {
				return
			}
		}
	}
}

func TestCrashes(t *testing.T) {
	for _, s := range scenarios {
		c := newConnector(t) // sets a variable, so not in the parallel part
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			c.t = t
			c.bring("other.pem", tlsPEM(t, "other.example.com"))
			if s.prepared {
				c.configure()
			}
			if s.spoil != nil {
				s.spoil(c)
			}
			pristine := newPristine(c)
			old := state(c)
			injections := slices.DeleteFunc(everyFault(t), func(i injection) bool { return !strings.HasPrefix(i.name, s.only) })
			sweep(c, s.name, injections, pristine.restore,
				func(i injection, n int) *exec.Cmd { return i.wrap(c, n, s.args(c)) },
				func(point string, o outcome) { s.crash(c, point, o, old) })
		})
	}
}

// crash looks at what a run with one fault has left.
func (s scenario) crash(c *connector, point string, o outcome, old string) {
	t := c.t
	t.Helper()
	now := state(c)
	for name := range c.tree() {
		clear := strings.HasPrefix(name, "data/.instance.properties.") || strings.HasPrefix(name, "data/.shared.properties.")
		if clear && !strings.HasPrefix(now, "clear") {
			t.Errorf("%s: in the clear after a start: %s", point, name)
		}
	}
	if now != old && !s.isNew(now) {
		t.Errorf("%s (exit %d): neither the old state nor the new:\n%s\n%s", point, o.code, now, o.stderr)
		return
	}
	if o.code == 0 && !s.isNew(now) {
		t.Errorf("%s: it said that all went well, and the old state is there", point)
	}
	if again := c.run(s.args(c)...); again.code != 0 {
		t.Errorf("%s: the second run: exit %d\n%s", point, again.code, again.stderr)
		return
	}
	if now = state(c); !s.isNew(now) {
		t.Errorf("%s: after the second run:\n%s", point, now)
	}
	for name := range c.tree() {
		if strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".journal") || strings.Contains(name, "pending") {
			t.Errorf("%s: left behind: %s", point, name)
		}
	}
	objects := c.token.Snapshot(c.t)
	count := func(class string) int { return strings.Count("\n"+objects, "\n"+class+" ") }
	keys, certificates, marks := count("secret-key"), count("certificate"), count("data")
	// A new key leaves the old one to the backups; every run of it makes one
	// more. To start afresh is to be another instance, with a mark of its own.
	limit, markLimit := 1, 1
	switch s.name {
	case "config again with a new key":
		limit = 3
	case "start afresh":
		limit, markLimit = 3, 3
		if kept, _ := filepath.Glob(c.base + "/data.before-config-*/shared.encp"); len(kept) == 0 {
			t.Errorf("%s: the old files are gone", point)
		}
	}
	if keys < 1 || keys > limit || certificates > limit || marks > markLimit {
		t.Errorf("%s: %d keys, %d certificates, %d marks in the token:\n%s", point, keys, certificates, marks, objects)
	}
}

// isNew tells whether a state is what the scenario makes.
func (s scenario) isNew(state string) bool {
	switch s.name {
	case "config", "config again with a new key", "start afresh":
		return strings.Contains(state, "sealed") && strings.Contains(state, "sso_domain=acme")
	case "set":
		return strings.Contains(state, "admin_port=9999")
	}
	return strings.Contains(state, "clear") && strings.Contains(state, "sso_domain=acme")
}

// state is how the connector stands, by what opens.
func state(c *connector) string {
	c.t.Helper()
	o := c.run("unseal")
	if o.code != 0 {
		return fmt.Sprintf("exit %d", o.code)
	}
	mode := "clear"
	if strings.Contains(c.run("status", "--json").stdout, `"mode": "sealed"`) {
		mode = "sealed"
	}
	var lines []string
	for line := range strings.Lines(o.stdout) {
		if strings.HasPrefix(line, "sso_domain") || strings.HasPrefix(line, "admin_port") || strings.HasPrefix(line, "instance_number") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return mode + " " + strings.Join(lines, " ")
}

// pristine is a copy of base and token, to go back to.
type pristine struct {
	c       *connector
	folders map[string]string // copy -> original
}

func newPristine(c *connector) pristine {
	p := pristine{c, map[string]string{
		filepath.Join(c.dir, "pristine-base"): c.base, filepath.Join(c.dir, "pristine-token"): c.token.Dir,
	}}
	for to, from := range p.folders {
		p.copy(from, to)
	}
	return p
}

func (p pristine) restore() {
	p.c.t.Helper()
	p.c.module.Plan()
	for from, to := range maps.All(p.folders) {
		p.copy(from, to)
	}
}

func (p pristine) copy(from, to string) {
	p.c.t.Helper()
	if err := os.RemoveAll(to); err != nil {
		p.c.t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		p.c.t.Fatalf("%v\n%s", err, out)
	}
}
