package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// At a terminal the label of a file is confirmed, unless it was said.
func TestImportedLabelAtTheTerminal(t *testing.T) {
	s := newCarryScene(t)
	args := []string{"key", "import", filepath.Join(s.dir, "pay.key"), "--token", s.second.Serial, "--pin-source", s.pin, "--unwrap", "KEK"}
	before := s.second.Snapshot(t)
	for _, answer := range []string{"", "n"} {
		if shown, code := s.onTerminal([]string{answer}, "never", "", args...); code != 130 || !strings.Contains(shown, `The label "pay" stands in `) || s.second.Snapshot(t) != before {
			t.Errorf("%q: exit %d\n%s", answer, code, shown)
		}
	}
	if shown, code := s.onTerminal([]string{"y"}, "never", "", args...); code != 0 || !strings.Contains(shown, "imported into the token second") {
		t.Errorf("exit %d\n%s", code, shown)
	}
	s.well(s.there("delete", "pay", "--yes"))
	if shown, code := s.onTerminal(nil, "never", "", append(args, "--label", "pay")...); code != 0 || strings.Contains(shown, "nothing proves it") {
		t.Errorf("exit %d\n%s", code, shown)
	}
}
