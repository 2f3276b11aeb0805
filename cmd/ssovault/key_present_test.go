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
	s.ends(enter("--pin-source", s.pin), 0, "the components that were given were not looked at")
	if k.Snapshot(t) != before {
		t.Error("something was changed")
	}
}

// A key of the label and the KCV is another one where its type or length is.
func TestPresentKeyOfAnotherType(t *testing.T) {
	s := newTwoTokens(t)
	s.well(s.run(carryWork{in: knownComponents, args: func(s *twoTokens) []string {
		return []string{"key", "enter", "K", "--token", s.second.Serial, "--pin-source", s.pin, "--type", "des3", "--attributes", "E", "--kcv", "88496A"}
	}}))
	before := s.second.Snapshot(t)
	for _, c := range []struct {
		more []string
		code int
		says string
	}{
		{[]string{"--type", "aes"}, 2, "des3 192 bits, KCV 88496A, not aes 256 bits"},
		{nil, 2, "say its --type and --bits"},
		{[]string{"--type", "des3", "--bits", "128"}, 2, "not des3 128 bits"},
		{[]string{"--type", "des3"}, 0, "already present: K"},
	} {
		s.ends(s.there(append([]string{"enter", "K", "--attributes", "E", "--kcv", "88496A"}, c.more...)...), c.code, c.says)
	}
	if s.second.Snapshot(t) != before {
		t.Error("something was changed")
	}
}
