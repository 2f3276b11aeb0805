package main

import "testing"

// A token that is not there is cause (a), also where the library shows another;
// a name that several have is not.
func TestAbsentToken(t *testing.T) {
	s := newTwoTokens(t)
	other := s.token.Again(t, "second")
	for _, token := range []string{"gone", "0badc0de", "pkcs11:token=gone"} {
		o := s.try("key", "list", "--token", token, "--pin-source", s.pin)
		s.ends(o, 10, s.token.Label)
		s.ends(o, 10, s.token.Serial)
		s.ends(o, 10, "'ssovault hsm slots'")
	}
	for _, token := range []string{"second", "pkcs11:token=second"} {
		o := s.try("key", "list", "--token", token, "--pin-source", s.pin)
		s.ends(o, 2, other.Serial)
		s.ends(o, 2, s.second.Serial)
	}
}
