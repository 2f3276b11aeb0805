package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// carryWork is a command that makes a key in a token or brings one in, and meets
// a fault at its n-th call, for every n.
type carryWork struct {
	name string
	args func(*twoTokens) []string
	in   string // standard input
	// creates is the function that makes what stays, and how often it does.
	creates string
	changes func(*twoTokens) p11test.Tok
}

func first(s *twoTokens) p11test.Tok  { return s.token }
func second(s *twoTokens) p11test.Tok { return s.second }
func third(s *twoTokens) p11test.Tok  { return s.third }

var carryWorks = []carryWork{
	{name: "generate", changes: second, creates: "C_GenerateKey", args: func(s *twoTokens) []string {
		return []string{"key", "generate", "K", "--replicable", "--token", s.second.Serial, "--pin-source", s.pin}
	}},
	{name: "components", changes: second, creates: "C_CreateObject", args: func(s *twoTokens) []string {
		return []string{"key", "components", "K", "--token", s.second.Serial, "--pin-source", s.pin, "--count", "2", "--sheet-dir", s.emptyFolder("sheets")}
	}},
	{name: "enter", changes: second, creates: "C_CreateObject", in: knownComponents, args: func(s *twoTokens) []string {
		return []string{"key", "enter", "K", "--token", s.second.Serial, "--as", "so", "--so-pin-source", s.so, "--type", "des3", "--kcv", "88496A"}
	}},
	{name: "import", changes: second, creates: "C_UnwrapKey", args: func(s *twoTokens) []string {
		return []string{"key", "import", filepath.Join(s.dir, "pay.key"), "--token", s.second.Serial, "--pin-source", s.pin, "--unwrap", "KEK"}
	}},
	{name: "identity create", changes: first, creates: "C_GenerateKeyPair", args: func(s *twoTokens) []string {
		return []string{"hsm", "identity", "create", "--token", s.token.Serial, "--pin-source", s.pin}
	}},
	{name: "trust", changes: second, creates: "C_CreateObject", args: func(s *twoTokens) []string {
		return []string{"hsm", "identity", "trust", "--token", s.second.Serial, "--peer", s.third.Serial, "--fingerprint", s.fingerprint, "--so-pin-source", s.so}
	}},
	{name: "replicate", changes: third, creates: "C_UnwrapKey", args: func(s *twoTokens) []string {
		return []string{"hsm", "replicate", "--from", s.token.Serial, "--to", s.third.Serial, "--pin-source", s.pin, "--yes"}
	}},
}

const knownComponents = "7C7FD05D37C216C19B1AD06710850176E02AC77FD3C1C84F\n3FA7F9\n" +
	"0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123\n4EBA73\n"

// carryFaults are what may happen at a call.
var carryFaults = []string{"return 0x30", "after 0x30", "kill", "kill-after", "crash", "lose-sessions", "vanish"}

// halfFaults leave half of what is made.
var halfFaults = []string{"break-off 0x30", "vanish-halfway"}

// With a fault at any call the tokens hold afterwards what they held before, or
// the key, whole.
func TestCarryCrashes(t *testing.T) {
	for _, w := range carryWorks {
		s := newCarryScene(t) // sets a variable, so not in the parallel part
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s.t = t
			tokens := pristine{s.connector, map[string]string{filepath.Join(s.dir, "pristine-token"): s.token.Dir}}
			tokens.copy(s.token.Dir, filepath.Join(s.dir, "pristine-token"))
			before := s.objects(w)
			s.module.Reset()
			if o := s.run(w); o.code != 0 {
				t.Fatalf("without a fault: exit %d\n%s", o.code, o.stderr)
			}
			n, creates := s.module.Calls(), s.module.CallsOf(w.creates)
			done := s.objects(w)
			if done == before || creates == 0 {
				t.Fatal("nothing was made")
			}
			count := 0
			try := func(on string, at int, action string, more ...string) {
				tokens.restore()
				s.module.Reset()
				plan := append([]string{fmt.Sprintf("on %s %d %s", on, at, action)}, more...)
				s.module.Plan(plan...)
				w.crash(s, strings.Join(plan, ", "), before, done, creates)
				count++
			}
			for _, action := range halfFaults {
				for at := 1; at <= creates && !t.Failed(); at++ {
					try(w.creates, at, action)
				}
			}
			// What is left cannot be removed at once, but after another login.
			for at := 1; at <= maxDestroys && !t.Failed(); at++ {
				try(w.creates, creates, halfFaults[0], fmt.Sprintf("on C_DestroyObject %d return 0x30", at))
			}
			for k, action := range carryFaults {
				for at := 1; at <= creates && !t.Failed(); at++ {
					try(w.creates, at, action)
				}
				for _, at := range points(w.name, n) {
					if t.Failed() {
						return
					}
					if os.Getenv(everyPoint) != "" || at/sampleStep%len(carryFaults) == k {
						try("*", at, action)
					}
				}
			}
			t.Logf("%d of %d points", count, len(carryFaults)*(n+creates)+len(halfFaults)*creates+maxDestroys)
		})
	}
}

// maxDestroys is more than the objects that any of the works destroys.
const maxDestroys = 12

// crash runs the command with a fault. What stays is made by the last of so many
// calls.
func (w carryWork) crash(s *twoTokens, point, before, done string, creates int) {
	s.t.Helper()
	o := s.run(w)
	begun := s.module.CallsOf(w.creates) >= creates || strings.HasSuffix(point, " crash") // who died tells nothing
	s.module.Plan()
	s.module.Return()
	point = fmt.Sprintf("%s, on %s: exit %d\n%s", w.name, point, o.code, o.stderr)
	left, killed := s.objects(w), o.code == 128+9
	// Who cannot be asked again is said to have it, perhaps.
	unsure := killed || strings.Contains(o.stderr, "the key may have been stored (id ")
	if left != before && left != done && strings.Contains(o.stderr, "'ssovault key delete --unnamed'") {
		// What nobody could remove at once goes when it is told to.
		if again := execute(s.t, s.ofItsOwn("key", "delete", "--unnamed", "--yes", "--token", w.changes(s).Serial, "--pin-source", s.pin)); again.code != 0 {
			s.t.Errorf("%s\ndelete --unnamed: exit %d\n%s", point, again.code, again.stderr)
		}
		left = s.objects(w)
	}
	if !killed && !begun && strings.Contains(o.stderr, "may ") {
		s.t.Errorf("%s\nnothing can be left of what was not begun", point)
	}
	if strings.Contains(o.stderr, "nothing of it is left") && (left != before || strings.Contains(o.stderr, "may be") || strings.Contains(o.stderr, "--unnamed")) {
		s.t.Errorf("%s\nsomething is left, or said to be", point)
	}
	switch {
	case left == before && o.code != 0, left == done && (o.code == 0 || unsure):
	default:
		s.t.Errorf("%s\nleft:\n%s\nbefore:\n%s", point, left, before)
	}
	if w.name != "components" || killed {
		return
	}
	sheets, err := filepath.Glob(filepath.Join(s.dir, "sheets", "*"))
	if err != nil || (len(sheets) > 0) != (o.code == 0 || unsure) {
		s.t.Errorf("%s\nsheets: %v, %v", point, sheets, err)
	}
}

// run runs the work.
func (s *twoTokens) run(w carryWork) outcome {
	s.t.Helper()
	cmd := s.ofItsOwn(w.args(s)...)
	cmd.Stdin = strings.NewReader(w.in)
	return execute(s.t, cmd)
}

// ofItsOwn is a command with this scene's library and state: the variables that
// newAdminScene sets are those of the last scene, whose module may kill just now.
func (s *twoTokens) ofItsOwn(args ...string) *exec.Cmd {
	cmd := s.command(args...)
	cmd.Env = append(cmd.Env, libraryVariable+"="+s.module.Path, "XDG_STATE_HOME="+filepath.Join(s.dir, "state"))
	return cmd
}

// objects are those of the token that the work changes, without what is drawn
// anew each time.
func (s *twoTokens) objects(w carryWork) string {
	s.t.Helper()
	return drawn.ReplaceAllString(w.changes(s).Snapshot(s.t), "")
}

var drawn = regexp.MustCompile(` (id=[0-9a-f]+|modulus=sha256:[0-9a-f]+)`)

// newCarryScene has wrappers in the first two tokens, an exported key, and a
// third token that the first one trusts.
func newCarryScene(t *testing.T) *twoTokens {
	s := newTwoTokens(t)
	s.third = s.token.Again(t, "third")
	s.wrappers()
	s.well(s.key("generate", "pay", "--replicable"))
	s.well(s.key("export", "pay", "--wrap", "KEK", "-o", filepath.Join(s.dir, "pay.key")))
	made := s.well(s.try("hsm", "identity", "create", "--token", s.third.Serial, "--pin-source", s.pin))
	s.fingerprint = strings.TrimSpace(afterText(t, made, "fingerprint "))
	s.well(s.try("hsm", "identity", "trust", "--token", s.token.Serial, "--peer", s.third.Serial, "--fingerprint", s.fingerprint, "--so-pin-source", s.so))
	return s
}
