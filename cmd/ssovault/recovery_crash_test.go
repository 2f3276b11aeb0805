package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// rescuing is a recovery command that is stopped at its n-th call, for every n.
type rescuing struct {
	name string
	// prepare brings the connector to where the command is run.
	prepare func(*lostScene)
	args    func(*lostScene) []string
	only    string // limits the kinds of faults, as in a scenario
	// check looks at what a stopped run left, and again after a whole one.
	check func(s *lostScene, point string, code int, whole bool)
}

// lostScene is a connector with a recovery, and perhaps without its token.
type lostScene struct {
	*connector
	out   string // where shares and identities go
	fresh p11test.Tok
	first []string          // flags that open the recovery of before
	was   map[string]string // data/ before
}

var rescuings = []rescuing{
	{name: "first init", only: "file kill", args: (*lostScene).initArgs, check: (*lostScene).checkInit, prepare: func(*lostScene) {}},
	{name: "another init", args: (*lostScene).initArgs, check: (*lostScene).checkInit, prepare: (*lostScene).withIdentity},
	{name: "init in the clear", only: "file kill", args: (*lostScene).initArgs, check: (*lostScene).checkInit, prepare: func(s *lostScene) {
		s.withIdentity()
		s.must("-disableSKS")
	}},
	{name: "open", args: (*lostScene).openArgs, check: (*lostScene).checkOpen, prepare: (*lostScene).loseToken},
	{name: "open in the clear", only: "file kill", check: (*lostScene).checkOpen, prepare: (*lostScene).loseToken, args: func(s *lostScene) []string {
		return append([]string{"recovery", "open", "--in-the-clear", "--yes"}, s.first...)
	}},
	{name: "open without the sealed files", only: "file kill", args: (*lostScene).openArgs, check: (*lostScene).checkOpen, prepare: func(s *lostScene) {
		s.loseToken()
		for _, name := range []string{"instance.encp", "shared.encp", "sks.properties"} {
			s.removeData(name)
		}
		s.was = s.dataTree()
	}},
}

func (s *lostScene) initArgs() []string {
	return []string{"recovery", "init", "--generate", "--shares", "3", "--threshold", "2", "--share-dir", s.out, "--yes"}
}

func (s *lostScene) openArgs() []string {
	return append([]string{"recovery", "open", "--token", s.fresh.Serial, "--library", s.module.Path, "--to-pin-source", "file:" + s.in + "/token.pin", "--yes"}, s.first...)
}

// withIdentity sets a first recovery up, whose identity lies elsewhere.
func (s *lostScene) withIdentity() {
	s.t.Helper()
	identity := filepath.Join(s.in, "identity.txt")
	s.must("recovery", "init", "--generate", "-o", identity)
	s.first = []string{"--identity", identity}
}

// loseToken takes the token away; another one is there.
func (s *lostScene) loseToken() {
	s.t.Helper()
	s.withIdentity()
	s.must("set", "admin_port=9999")
	s.deleteToken(s.token)
	s.was = s.dataTree()
}

// deleteToken removes a token for good.
func (c *connector) deleteToken(k p11test.Tok) {
	c.t.Helper()
	cmd := exec.Command("softhsm2-util", "--module", k.Library, "--delete-token", "--serial", k.Serial)
	cmd.Env = append(os.Environ(), k.Env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("softhsm2-util: %v\n%s", err, out)
	}
}

func TestRecoveryCrashes(t *testing.T) {
	for _, row := range rescuings {
		s := &lostScene{connector: newConnector(t)} // sets a variable, so not in the parallel part
		s.fresh = s.token.Again(t, "fresh")
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s.t = t
			s.out = filepath.Join(s.dir, "out")
			s.configure()
			row.prepare(s)
			pristine := newPristine(s.connector)
			again := func() {
				pristine.restore()
				s.emptyFolder("out")
			}
			injections := slices.DeleteFunc(everyFault(t), func(i injection) bool { return !strings.HasPrefix(i.name, row.only) })
			sweep(s.connector, row.name, injections, again,
				func(i injection, n int) *exec.Cmd { return s.wrap(i, n, row.args(s)) },
				func(point string, o outcome) {
					row.check(s, point, o.code, false)
					if o := s.run(row.args(s)...); o.code != 0 {
						s.t.Errorf("%s: the second run: exit %d\n%s", point, o.code, o.stderr)
					}
					row.check(s, point, 0, true)
				})
		})
	}
}

// wrap gives a fault that also counts what happens in the folder of shares.
func (s *lostScene) wrap(i injection, n int, args []string) *exec.Cmd {
	cmd := i.wrap(s.connector, n, args)
	if strings.HasPrefix(i.name, "file") {
		cmd.Args = slices.Insert(cmd.Args, 1, "-p", s.out)
	}
	return cmd
}

// checkInit: the settings open as ever, and whatever the recovery file is
// encrypted to was written down.
func (s *lostScene) checkInit(point string, code int, whole bool) {
	s.t.Helper()
	if now := state(s.connector); !strings.Contains(now, "sso_domain=acme") {
		s.t.Errorf("%s (exit %d): %s", point, code, now)
		return
	}
	status := s.must("recovery", "status", "--json")
	isNew := strings.Contains(status, `"count": 3`)
	if !isNew && (code == 0 || whole) {
		s.t.Errorf("%s: it said that all went well, and the old state is there", point)
	}
	if strings.Contains(status, `"missing"`) || strings.Contains(status, `"other"`) {
		s.t.Errorf("%s (exit %d): the recovery file is not of this save:\n%s", point, code, status)
	}
	open := s.first
	files, _ := filepath.Glob(s.out + "/*")
	if isNew {
		set := afterText(s.t, status, `"set": "`)[:8]
		mine, _ := filepath.Glob(s.out + "/*-" + set + "-*")
		if len(mine) != 3 {
			s.t.Errorf("%s (exit %d): of the set %s there is %v", point, code, set, files)
			return
		}
		open = []string{"--share", mine[0], "--share", mine[2]}
	}
	if open != nil {
		if o := s.run(append([]string{"recovery", "open", "--dry-run", "--in-the-clear"}, open...)...); o.code != 0 {
			s.t.Errorf("%s (exit %d): the recovery does not open: exit %d\n%s", point, code, o.code, o.stderr)
		}
	}
	if whole {
		if len(files)%3 != 0 || len(files) > 6 {
			s.t.Errorf("%s: left behind: %v", point, files)
		}
		s.nothingLeft(point)
	}
}

// checkOpen: the settings are as lost as before, and can be recovered; or they
// open under a new key, and what was there is kept.
func (s *lostScene) checkOpen(point string, code int, whole bool) {
	s.t.Helper()
	now := state(s.connector)
	isNew := strings.Contains(now, "admin_port=9999")
	switch {
	case !isNew && (code == 0 || whole):
		s.t.Errorf("%s: it said that all went well: %s", point, now)
	case !isNew:
		for name, text := range s.was {
			if got, ok := s.dataTree()[name]; !ok || got != text && !strings.HasPrefix(text, "d") {
				s.t.Errorf("%s (exit %d): %s is not as it was", point, code, name)
			}
		}
		if o := s.run(append([]string{"recovery", "open", "--dry-run", "--in-the-clear"}, s.first...)...); o.code != 0 {
			s.t.Errorf("%s (exit %d): it cannot be recovered any more: exit %d\n%s", point, code, o.code, o.stderr)
		}
	default:
		kept, _ := filepath.Glob(s.base + "/data.before-recovery-*/recovery.age")
		same := slices.ContainsFunc(kept, func(path string) bool {
			b, err := os.ReadFile(path)
			return err == nil && strings.HasSuffix(s.was["recovery.age"], string(b))
		})
		if !same {
			s.t.Errorf("%s (exit %d): the old files are gone: %v", point, code, kept)
		}
	}
	if !whole {
		return
	}
	s.nothingLeft(point)
	objects := s.fresh.Snapshot(s.t)
	count := func(class string) int { return strings.Count("\n"+objects, "\n"+class+" ") }
	// A run that was cut off after its save leaves its key to what is kept.
	if strings.Contains(now, "sealed") && count("secret-key") < 1 || count("secret-key") > 2 || count("certificate") > 2 || count("data") > 1 {
		s.t.Errorf("%s: in the new token:\n%s", point, objects)
	}
}

// nothingLeft: no file of a save that was cut off.
func (s *lostScene) nothingLeft(point string) {
	s.t.Helper()
	for name := range s.tree() {
		if strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".journal") || strings.Contains(name, "pending") {
			s.t.Errorf("%s: left behind: %s", point, name)
		}
	}
}

// afterText gives what follows the first mark.
func afterText(t testing.TB, text, mark string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	if !ok {
		t.Fatalf("no %q in\n%s", mark, text)
	}
	return rest
}
