package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"ssovault/internal/p11test"
)

// A key of known value that waits under the label of one that is to be made is
// not taken for it without a word.
func TestPlantedKeyIsSaid(t *testing.T) {
	k := p11test.Token(t)
	s := newAdminScene(t, k, k.Library)
	known := s.bring("known.key", []byte("0123456789abcdefghijklmnopqrstuv"))
	cmd := exec.Command("pkcs11-tool", "--module", k.Library, "--token-label", k.Label, "--login", "--pin", k.PIN,
		"--write-object", known, "--type", "secrkey", "--key-type", "AES:32", "--usage-decrypt", "--sensitive", "--private", "--label", "planted", "--id", "0b")
	cmd.Env = append(os.Environ(), k.Env()...)
	if o := execute(t, cmd); o.code != 0 {
		t.Fatal(o)
	}
	before := k.Snapshot(t)
	s.ends(s.key("generate", "planted"), 0, "was not made there but brought in")
	o := s.key("generate", "planted", "--json")
	var r generateReport
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil || o.code != 0 || r.Made || !r.Present || r.MadeHere == nil || *r.MadeHere || r.AlwaysSensitive == nil || *r.AlwaysSensitive {
		t.Errorf("exit %d, %v\n%s%s", o.code, err, o.stdout, o.stderr)
	}
	s.ends(s.key("show", "planted"), 0, "brought in from outside, not always sensitive")
	if k.Snapshot(t) != before {
		t.Error("something was changed")
	}
	s.ends(s.key("generate", "own"), 0, "made in the token, always sensitive, never extractable")
	s.ends(s.key("generate", "own"), 0, "already present: own")
	// One that could be read, or leave, and now cannot.
	s.well(s.key("generate", "was", "--attributes", "EDMX", "--not-sensitive", "--wrap-with-any", "--yes"))
	s.well(s.key("set", "was", "--attributes", "EDMT", "--yes"))
	s.ends(s.key("generate", "was", "--attributes", "EDM"), 0, "it was not always sensitive: its value may have been read")
	s.ends(s.key("generate", "was", "--attributes", "EDM"), 0, "it was extractable: it may have left the token")
}
