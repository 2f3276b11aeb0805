package main

import (
	"path/filepath"
	"strings"
	"testing"
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
