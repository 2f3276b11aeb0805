package main

import (
	"testing"

	"ssovault/internal/p11test"
)

// Refusals up to the lock: what the token says of the tries left is said each
// time, the last one is a locked PIN, and the security officer opens it.
func TestPINLocksOnOpencryptoki(t *testing.T) {
	k := p11test.Opencryptoki(t)
	s := newAdminScene(t, k, k.Library)
	wrong := "file:" + s.bring("wrong.pin", []byte("1111"))
	list := func(more ...string) outcome {
		return s.try(append([]string{"key", "list", "--token", k.Serial}, more...)...)
	}
	s.ends(list("--pin-source", wrong), 20, "a PIN was refused since the last login")
	s.ends(list("--pin-source", wrong), 20, "not tried again")
	s.ends(list("--pin-source", wrong, "--try-pin"), 20, "one more refused PIN locks it")
	s.ends(list("--pin-source", s.pin), 20, "one more refused PIN locks it; no login was tried")
	last := list("--pin-source", wrong, "--try-pin")
	s.ends(last, 21, "the token says that the PIN is locked")
	s.ends(last, 21, "hsm pin reset")
	s.ends(list("--pin-source", s.pin, "--try-pin"), 21, "no login was tried")
	s.ends(s.try("hsm", "state"), 21, "set, LOCKED")
	// The officer's own refusals are another matter.
	s.ends(s.try("hsm", "pin", "reset", "--token", k.Serial, "--so-pin-source", wrong, "--new-pin-source", s.pin), 20, "refused since the last login; nothing was changed")
	s.ends(s.try("hsm", "pin", "reset", "--token", k.Serial, "--so-pin-source", s.so, "--new-pin-source", s.pin), 0, "has the new PIN")
	s.ends(list("--pin-source", s.pin), 0, "LABEL")
	s.ends(s.try("hsm", "state"), 0, "PIN set\n")
}
