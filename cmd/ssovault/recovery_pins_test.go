package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The PIN of a token that is gone is said to lie there still, as migrate says it.
func TestRecoveryNamesThePINsThatAreLeft(t *testing.T) {
	s := newLostScene(t)
	pin := filepath.Join(s.base, "sks.pin")
	if err := os.WriteFile(pin, []byte(s.token.PIN), 0o600); err != nil {
		t.Fatal(err)
	}
	s.setSKS("sks.pin", "file")
	s.withIdentity()
	s.deleteToken(s.token)
	o := s.run(s.openArgs()...)
	kept, _ := filepath.Glob(pin + ".before-recovery-*")
	if o.code != 0 || len(kept) != 1 || !strings.Contains(o.stdout, "The PIN that was in sks.pin is kept in "+kept[0]+"; delete it when nothing needs that token.") ||
		!strings.Contains(o.stderr, "nothing reads "+pin+", the PIN of the token before, any more; delete it when no backup needs that token") {
		t.Errorf("exit %d, kept %v\n%s%s", o.code, kept, o.stdout, o.stderr)
	}
	// The source is file:PATH now, so sks.pin was not read before this one.
	s.fresh = s.token.Again(t, "third")
	if o := s.run(s.openArgs()...); o.code != 0 || strings.Contains(o.stderr, "nothing reads") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}
