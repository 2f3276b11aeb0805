package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// A key of the label and the value of a trusted wrapper that nobody vouches for is
// not the wrapper.
func TestUntrustedKeyIsNoTrustedWrapper(t *testing.T) {
	k := p11test.Token(t)
	s := newAdminScene(t, k, k.Library)
	value := s.bring("value", []byte("0123456789abcdefghijklmnopqrstuv"))
	cmd := exec.Command("pkcs11-tool", "--module", k.Library, "--token-label", k.Label, "--login", "--pin", k.PIN,
		"--write-object", value, "--type", "secrkey", "--key-type", "AES:32", "--usage-wrap", "--usage-decrypt", "--label", "KEK", "--id", "0b")
	cmd.Env = append(os.Environ(), k.Env()...)
	if o := execute(t, cmd); o.code != 0 {
		t.Fatal(o)
	}
	kcv := strings.TrimSpace(s.well(s.key("kcv", "KEK")))
	before := k.Snapshot(t)
	enter := func(more ...string) outcome {
		return s.try(append([]string{"key", "enter", "KEK", "--token", k.Serial, "--component", value, "--component", value, "--kcv", kcv}, more...)...)
	}
	s.ends(enter("--as", "so", "--so-pin-source", s.so), 2, "that is not trusted: it lacks CKA_TRUSTED")
	s.ends(enter("--pin-source", s.pin), 0, "already present: KEK")
	if k.Snapshot(t) != before {
		t.Error("something was changed")
	}
}
