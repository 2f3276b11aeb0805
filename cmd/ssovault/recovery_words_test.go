package main

import (
	"strings"
	"testing"
)

// Shares of another instance are said to be that, and not of another set only.
func TestSharesOfAnotherInstance(t *testing.T) {
	s, other := newLostScene(t), newLostScene(t)
	s.must(s.initArgs()...)
	other.must(other.initArgs()...)
	number := func(s *lostScene) string { return strings.TrimSpace(s.must("get", "instance_number")) }
	theirs := other.shares()
	o := s.opens(byShares(theirs[0], theirs[1])...)
	for _, want := range []string{
		"they are of instance " + number(other) + ", this folder is of " + number(s), "cause (25)", "hint: bring the shares of this instance", "'--force'",
	} {
		if o.code != 25 || !strings.Contains(o.stderr, want) {
			t.Errorf("exit %d, want 25 and %q\n%s", o.code, want, o.stderr)
		}
	}
	// What the hint says helps: with its own recovery file they open.
	file := s.bring("theirs.age", []byte(readData(t, other.connector, "recovery.age")))
	for _, name := range []string{"idp_metadata.xml", "sso_keystore.pem"} {
		s.removeData(name) // another instance's
	}
	if o := s.opens(append(byShares(theirs[0], theirs[1]), "--file", file, "--force")...); o.code != 0 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}
