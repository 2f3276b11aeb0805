package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// pinScene is a connector whose token shares its PIN with a second one.
type pinScene struct {
	*connector
	second p11test.Tok
	next   string // the new PIN
}

func newPINScene(t *testing.T) *pinScene {
	c := newConnector(t)
	p := &pinScene{c, c.token.Again(t, "second token"), "next-" + c.token.PIN}
	c.bring("next.pin", []byte(p.next+"\n"))
	c.bring("so.pin", []byte(c.token.SOPIN+"\n"))
	c.configure()
	return p
}

// pinCrash is a command that gives tokens a new PIN, and is stopped at its n-th
// call, for every n.
type pinCrash struct {
	name string
	args func(*pinScene) []string
	// resume finishes it.
	resume func(*pinScene) []string
	second bool // the second token changes too
}

var pinCrashes = []pinCrash{
	{name: "change", second: true,
		args: func(p *pinScene) []string {
			return []string{"hsm", "pin", "change", "--token", p.token.Serial, "--token", p.second.Serial,
				"--pin-source", "file", "--new-pin-source", "file:" + p.in + "/next.pin"}
		},
		resume: func(*pinScene) []string { return []string{"hsm", "pin", "resume"} }},
	{name: "reset",
		args: func(p *pinScene) []string {
			return []string{"hsm", "pin", "reset", "--so-pin-source", "file:" + p.in + "/so.pin", "--new-pin-source", "file:" + p.in + "/next.pin"}
		},
		resume: func(p *pinScene) []string {
			return []string{"hsm", "pin", "resume", "--so-pin-source", "file:" + p.in + "/so.pin"}
		}},
}

func TestPINCrashes(t *testing.T) {
	for _, w := range pinCrashes {
		p := newPINScene(t) // sets a variable, so not in the parallel part
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p.t = t
			sweep(p.connector, w.name, everyFault(t), newPristine(p.connector).restore,
				func(i injection, n int) *exec.Cmd { return i.wrap(p.connector, n, w.args(p)) },
				func(point string, o outcome) { w.crash(p, point, o) })
		})
	}
}

// crash looks at what a run with one fault has left: it resumes, and starts.
func (w pinCrash) crash(p *pinScene, point string, o outcome) {
	p.t.Helper()
	// A start before the change is finished works, or spends no try.
	before := p.run("run", "--", "/bin/true")
	if before.code != 0 && before.code != 22 {
		p.t.Errorf("%s (exit %d): a start: exit %d\n%s%s", point, o.code, before.code, before.stderr, o.stderr)
		return
	}
	again := p.run(w.resume(p)...)
	if again.code != 0 {
		p.t.Errorf("%s (exit %d): resume: exit %d\n%s%s", point, o.code, again.code, again.stderr, o.stderr)
		return
	}
	if start := p.run("run", "--", "/bin/true"); start.code != 0 {
		p.t.Errorf("%s: a start after resume: exit %d\n%s", point, start.code, start.stderr)
		return
	}
	held := p.holds(p.token)
	if w.second && p.holds(p.second) != held {
		p.t.Errorf("%s: the tokens have different PINs", point)
	}
	began := strings.Contains(o.stderr, "pin resume") || !strings.Contains(again.stdout, "no change")
	if held != p.next && (o.code == 0 || began) {
		p.t.Errorf("%s (exit %d): the PIN is the old one\n%s%s", point, o.code, o.stderr, again.stdout)
	}
	stored, err := os.ReadFile(filepath.Join(p.base, "sks.pin"))
	if err != nil || strings.TrimSpace(string(stored)) != held {
		p.t.Errorf("%s: sks.pin is not the PIN of the token (%v)", point, err)
	}
	for name, content := range p.tree() {
		if strings.HasSuffix(name, ".new") || strings.Contains(name, "pin-change") {
			p.t.Errorf("%s: left behind: %s", point, name)
		}
		if name != "sks.pin" && (strings.Contains(content, p.next) || strings.Contains(content, p.token.PIN)) {
			p.t.Errorf("%s: %s holds a PIN", point, name)
		}
	}
}

// holds finds out which PIN a token has: the new one or the old one.
func (p *pinScene) holds(k p11test.Tok) string {
	p.t.Helper()
	for _, value := range []string{p.next, p.token.PIN} {
		path := p.bring("held.pin", []byte(value))
		if o := p.run("key", "list", "--token", k.Serial, "--library", p.module.Path, "--pin-source", "file:"+path, "--try-pin"); o.code == 0 {
			return value
		}
	}
	p.t.Fatalf("the token %s has neither PIN", k.Label)
	return ""
}
