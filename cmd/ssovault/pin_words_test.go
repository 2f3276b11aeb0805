package main

import (
	"fmt"
	"strings"
	"testing"
)

// A security officer's PIN that is locked is named as such, and nobody is sent to
// initialise the token where that is what was refused.
func TestLockedSecurityOfficer(t *testing.T) {
	s := newTwoTokens(t)
	s.module.Plan("flags 0x00400000 0x0") // CKF_SO_PIN_LOCKED
	for name, args := range map[string][]string{
		"enter": {"key", "enter", "K", "--token", s.token.Serial, "--as", "so", "--so-pin-source", s.so, "--kcv", "88496A", "--type", "des3"},
		"init":  {"hsm", "init", "--slot", fmt.Sprint(s.token.Slot), "--label", "again", "--yes", "--so-pin-source", s.so, "--pin-source", s.pin},
		"reset": {"hsm", "pin", "reset", "--token", s.token.Serial, "--so-pin-source", s.so, "--new-pin-source", s.pin},
		"state": {"hsm", "state"},
	} {
		o := s.try(args...)
		s.ends(o, 21, "the security officer's PIN is locked")
		s.ends(o, 21, "'softhsm2-util --delete-token'")
		if strings.Contains(o.stderr, "initialised anew") || s.module.CallsOf("C_InitToken") != 0 {
			t.Errorf("%s:\n%s", name, o.stderr)
		}
	}
}

// Where a PIN was typed, no source keeps it.
func TestTypedPINRefused(t *testing.T) {
	c := newConnector(t)
	c.configure()
	s := newTwoTokens(t)
	tokens := []string{"--library", c.module.Path, "--token", c.token.Serial}
	for name, try := range map[string]func() (string, int){
		"doctor": func() (string, int) {
			return c.onTerminal([]string{"wrong-pin"}, "never", "", "doctor", "--pin-source", "prompt")
		},
		"unseal": func() (string, int) {
			return c.onTerminal([]string{"wrong-pin"}, "never", "", "get", "sso_domain", "--pin-source", "prompt")
		},
		"list": func() (string, int) {
			return c.onTerminal([]string{"wrong-pin"}, "never", "", append([]string{"key", "list"}, tokens...)...)
		},
		"init": func() (string, int) {
			return s.onTerminal([]string{"wrong-pin"}, "never", "", "hsm", "init", "--slot", fmt.Sprint(s.token.Slot), "--label", "again", "--yes", "--pin-source", s.pin)
		},
	} {
		shown, code := try()
		_, hint, _ := strings.Cut(shown, "ssovault: hint: ")
		if code != 20 || !strings.HasPrefix(hint, "give the command again with the right PIN") {
			t.Errorf("%s: exit %d\n%s", name, code, shown)
		}
	}
}
