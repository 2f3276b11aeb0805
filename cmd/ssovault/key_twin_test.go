package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ssovault/internal/pin"
	"ssovault/internal/sks/helper"
)

// Who sits at a terminal is asked for the user's PIN, with which the twin of a
// trusted wrapper is found before anything is stored, and may leave it out.
func TestTwinAtTheTerminal(t *testing.T) {
	s := newTwoTokens(t)
	lines := strings.SplitAfter(s.well(s.there("components", "KEK", "--count", "2", "--attributes", "U")), "\n")
	kcv := strings.TrimSpace(s.well(s.there("kcv", "KEK")))
	one, two := s.bring("one.lines", []byte(lines[0]+lines[1])), s.bring("two.lines", []byte(lines[2]+lines[3]))
	args := []string{"key", "enter", "trusted", "--token", s.second.Serial, "--as", "so", "--so-pin-source", s.so, "--kcv", kcv, "--component", one, "--component", two}
	before := s.second.Snapshot(t)
	shown, code := s.onTerminal([]string{s.token.PIN}, "never", "", args...)
	if code != 2 || !strings.Contains(shown, `has a key of the same value, "KEK"`) || strings.Contains(shown, s.token.PIN) || s.second.Snapshot(t) != before {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	// The PIN is asked for before a component is handed out.
	sheets := s.emptyFolder("sheets")
	shown, code = s.onTerminal([]string{"wrong-" + s.token.PIN}, "never", "", "key", "components", "T2", "--token", s.second.Serial, "--as", "so", "--so-pin-source", s.so, "--count", "2", "--sheet-dir", sheets)
	if left, err := filepath.Glob(filepath.Join(sheets, "*")); code != 20 || err != nil || len(left) != 0 || s.second.Snapshot(t) != before {
		t.Fatalf("exit %d, %v, %v\n%s", code, left, err, shown)
	}
	shown, code = s.onTerminal([]string{""}, "never", "", args...)
	if code != 0 || !strings.Contains(shown, "was not looked at: no user PIN was given") {
		t.Fatalf("exit %d\n%s", code, shown)
	}
}

// A key that is there already is shown to the custodians before they type.
func TestEnteredAlreadyAtTheTerminal(t *testing.T) {
	s := newTwoTokens(t)
	s.well(s.there("components", "KEK", "--count", "2", "--attributes", "E"))
	kcv := strings.TrimSpace(s.well(s.there("kcv", "KEK")))
	before := s.second.Snapshot(t)
	other := flipped(kcv)
	for answer, want := range map[string]struct {
		code int
		text string
	}{
		"yes": {0, "already present: KEK"}, "no": {2, "has another key"}, "\nno": {2, "Say yes or no"}, kcv: {0, "already present: KEK"},
		strings.ToLower(kcv): {0, "already present: KEK"}, other + "\nn": {2, other + " is another KCV"}, "maybe\nY": {0, "Say yes or no"},
	} {
		shown, code := s.onTerminal(strings.Split(answer, "\n"), "never", "", "key", "enter", "KEK", "--token", s.second.Serial, "--pin-source", s.pin, "--count", "2", "--attributes", "E")
		if code != want.code || !strings.Contains(shown, want.text) || !strings.Contains(shown, "already, KCV "+kcv) {
			t.Errorf("%q: exit %d\n%s", answer, code, shown)
		}
	}
	if s.second.Snapshot(t) != before {
		t.Error("something was stored")
	}
}

// A key of the label that only the user sees is refused before anybody types, and
// what the refusal says leads on; nobody ends up with two keys of one name.
func TestTrustedWrapperBesideTheUsersKey(t *testing.T) {
	s := newTwoTokens(t)
	lines := s.well(s.there("components", "KEK1", "--count", "2", "--attributes", "W"))
	kcv := strings.TrimSpace(s.well(s.there("kcv", "KEK1")))
	parts := strings.SplitAfter(lines, "\n")
	one, two := s.bring("one.lines", []byte(parts[0]+parts[1])), s.bring("two.lines", []byte(parts[2]+parts[3]))
	asSO := func(more ...string) []string {
		return append([]string{"key", "enter", "KEK1", "--token", s.second.Serial, "--as", "so", "--so-pin-source", s.so}, more...)
	}
	whole := []string{"--kcv", kcv, "--component", one, "--component", two, "--pin-source", s.pin}
	before := s.second.Snapshot(t)
	refused := s.try(asSO(whole...)...)
	s.ends(refused, 2, "already present in the token second")
	s.ends(refused, 2, "of the same value")
	s.ends(s.try(asSO("--kcv", flipped(kcv), "--component", one, "--component", two, "--pin-source", s.pin)...), 2, `has another key "KEK1"`)
	s.ends(s.try("key", "components", "KEK1", "--token", s.second.Serial, "--as", "so", "--so-pin-source", s.so, "--count", "2", "--pin-source", s.pin), 2, "KCV "+kcv+", that is not trusted")
	shown, code := s.onTerminal(nil, "block 1", "\x03", asSO("--count", "2", "--pin-source", s.pin)...)
	if code != 2 || !strings.Contains(shown, "KCV "+kcv+", that is not trusted: it lacks CKA_TRUSTED") || strings.Contains(shown, "block 1") {
		t.Errorf("exit %d\n%s", code, shown)
	}
	if s.second.Snapshot(t) != before {
		t.Fatal("something was changed")
	}
	// Without the user's PIN there is a warning that says so.
	s.ends(s.try(asSO("--kcv", flipped(kcv), "--component", one, "--component", two)...), 2, "a private key of the same label")

	advice := regexp.MustCompile(`'ssovault (key delete) "KEK1" (--id [0-9a-f]+ --token [0-9a-f]+)'`).FindStringSubmatch(refused.stderr)
	if advice == nil {
		t.Fatal(refused.stderr)
	}
	s.well(s.try(append([]string{"key", "delete", "KEK1", "--yes", "--pin-source", s.pin}, strings.Fields(advice[2])...)...))
	s.well(s.try(asSO(whole...)...))
	s.ends(s.there("show", "KEK1"), 0, "trusted")
	s.ends(s.try(asSO(whole...)...), 0, "already present: KEK1")
}

// A wrapper that an example makes is one that a replicable key leaves under.
func TestExamplesMakeTrustedWrappers(t *testing.T) {
	letters := regexp.MustCompile(`--attributes [A-Za-z]*W`)
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			if letters.MatchString(line) && !strings.Contains(line, "--as so") {
				t.Errorf("%s: %s", c.CommandPath(), line)
			}
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(newApp(pin.Hidden{}, &helper.Client{}).rootCommand())
}
