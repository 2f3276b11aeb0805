package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Custodians at the terminal: shares are shown one a screen, and typed.
func TestRecoveryAtTheTerminal(t *testing.T) {
	s := newLostScene(t)
	shown, code := s.onTerminal([]string{"", "", "", "", "", ""}, "never", "", "recovery", "init", "--generate", "--shares", "3", "--threshold", "2")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	screens := strings.Split(shown, "ssovault recovery share 1\n")
	if len(screens) != 4 || strings.Count(shown, "\x1b[2J") < 7 {
		t.Fatalf("%d screens\n%q", len(screens), shown)
	}
	var typed []string
	for _, n := range []int{3, 1} {
		for line := range strings.Lines(screens[n]) {
			if len(line) > 3 && line[1:3] == "  " && line[0] >= '1' && line[0] <= '8' {
				typed = append(typed, strings.ToLower(strings.TrimSpace(line[3:])))
			}
		}
	}
	if len(typed) != 16 {
		t.Fatalf("%d lines", len(typed))
	}
	// A slip in the third line is said at once, and the line given again.
	slip := strings.Replace(typed[2], typed[2][:4], "zzzz", 1)
	typed = append(typed[:2], append([]string{slip}, typed[2:]...)...)
	typed[0] = typed[0][:5] + "\x1a" + typed[0][5:] // Ctrl-Z is no part of a line
	s.deleteToken(s.token)
	answers := append(typed, "fresh", s.token.PIN, "y")
	shown, code = s.onTerminal(answers, "never", "", "recovery", "open", "--share", "-", "--library", s.module.Path)
	if code != 0 || !strings.Contains(shown, "line 3: its last group does not fit") || !strings.Contains(shown, "Share 3 of 3 is good") || strings.Contains(shown, s.token.PIN) {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	s.must("run", "--", "/bin/true")
	if b, err := os.ReadFile(filepath.Join(s.base, "sks.pin")); err != nil || string(b) != s.token.PIN {
		t.Errorf("the PIN was not kept: %v", err)
	}
	// A signer that nobody has written down is asked for.
	s.withIdentityReplacing()
	identity, err := os.ReadFile(s.in + "/second.txt")
	if err != nil {
		t.Fatal(err)
	}
	bare := s.bring("bare.txt", []byte(afterText(t, string(identity), "\n# ssovault signer: ")[65:]))
	signer := afterText(t, string(identity), "# ssovault signer: ")[:64]
	other := strings.Replace(signer, signer[:4], "AAAA", 1)
	for _, row := range []struct {
		answers []string
		exit    int
	}{{[]string{signer}, 0}, {[]string{"no", other, signer}, 0}, {[]string{"no", signer, other}, 0}, {[]string{other, "no", other}, 26}, {[]string{other, other, "no"}, 2}} {
		shown, code := s.onTerminal(row.answers, "never", "", "recovery", "open", "--dry-run", "--in-the-clear", "--identity", bare)
		asked := "Type the signer that you have kept: "
		before := shown[:strings.LastIndex(shown, asked)+len(asked)]
		if code != row.exit || strings.Contains(strings.ReplaceAll(before, "kept: "+signer, ""), signer) {
			t.Errorf("%q: exit %d, want %d\n%s", row.answers, code, row.exit, shown)
		}
	}
	// Ctrl-C at a share leaves everything as it is, and nothing on the screen.
	before := s.tree()
	for _, answers := range [][]string{nil, {""}} {
		shown, code := s.onTerminal(answers, ": ", "\x03", "recovery", "init", "--generate", "--shares", "3", "--threshold", "2", "--yes")
		_, after, cleared := strings.Cut(shown, "^C")
		if code != 130 || !cleared || !strings.Contains(after, "\x1b[2J") || !strings.Contains(after, "ssovault: interrupted\n") || strings.Contains(after, "already closed") {
			t.Errorf("exit %d\n%q", code, shown)
		}
	}
	if diff := cmp.Diff(before, s.tree()); diff != "" {
		t.Error(diff)
	}
}

// withIdentityReplacing replaces the recovery by one of an identity.
func (s *lostScene) withIdentityReplacing() {
	s.t.Helper()
	s.must("recovery", "init", "--generate", "-o", s.in+"/second.txt", "--yes")
}
