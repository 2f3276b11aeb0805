package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/vault"
)

// nameless makes a whole key without label and id, with another program, and
// gives its check value.
func (s *twoTokens) nameless() string {
	s.t.Helper()
	cmd := exec.Command("pkcs11-tool", "--module", s.token.Library, "--token-label", s.token.Label, "--login", "--pin", s.token.PIN, "--keygen", "--key-type", "AES:32")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	for _, k := range s.listed() {
		if k.Unnamed && !k.Halfway {
			return k.KCV
		}
	}
	s.t.Fatal("no key without a name")
	return ""
}

func (s *twoTokens) listed() (keys []keyReport) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.well(s.key("list", "--json"))), &keys); err != nil {
		s.t.Fatal(err)
	}
	return keys
}

// halves leaves two half-made keys.
func (s *twoTokens) halves() {
	s.t.Helper()
	for range 2 {
		s.module.Reset()
		s.module.Plan("on C_GenerateKey * vanish-halfway")
		o := s.key("generate", "lost")
		s.module.Plan()
		s.module.Return()
		s.ends(o, 10, "the key may have been stored (id ")
		s.ends(o, 10, "'ssovault key delete --unnamed' removes a part")
	}
}

func TestUnnamedKeys(t *testing.T) {
	s := newTwoTokens(t)
	s.well(s.key("generate", "good"))
	before := s.token.Snapshot(t)
	s.ends(s.key("delete", "--unnamed", "--yes"), 0, "nothing to delete")
	s.halves()
	if list := s.well(s.key("list")); strings.Count(list, "(unnamed, half made)") != 2 || strings.Contains(list, "lost") {
		t.Errorf("listed:\n%s", list)
	}
	full := s.token.Snapshot(t)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"--unnamed --dry-run", 0, "would be deleted: 2 keys without a name"},
		{"--unnamed", 2, "has to be typed"},
		{"--unnamed --yes good", 2, "name either a key or --unnamed"},
		{"--unnamed --yes --id 00", 2, "name either a key or --unnamed"},
		{"--unnamed --yes --kcv 12", 2, "--kcv"},
		{"--unnamed --yes --kcv 123456", 13, "there is no key without a name of KCV 123456"},
		{"--unnamed --yes --kcv=", 2, "a KCV is six hexadecimal digits"},
		{"good --yes --kcv=", 2, "a KCV is six hexadecimal digits"},
		{"--unnamed --yes --class other", 2, "secret, private or public"},
		{"good --dry-run", 2, "go with --unnamed"},
		{"--unnamed --dry-run --json", 0, `"would_delete": [`},
		{"good --yes --id zz", 2, "hexadecimal"},
		{"good --yes --id=", 2, "hexadecimal"},
		{"--yes", 2, "which key is meant?"},
		{"--yes --id 0badc0de", 13, "there is no key of id 0badc0de"},
	} {
		s.ends(s.key(append([]string{"delete"}, strings.Fields(c.args)...)...), c.code, c.says)
		if now := s.token.Snapshot(t); now != full {
			t.Fatalf("%s changed the token:\n%s", c.args, now)
		}
	}
	kcv := s.nameless()
	full = s.token.Snapshot(t)
	for _, c := range []struct {
		answer, says string
		code         int
	}{{"another", "that is not its name", 2}, {s.token.Label, "kept: 1 key without a name", 0}} {
		shown, code := s.onTerminal([]string{c.answer}, "never", "", "key", "delete", "--unnamed", "--token", s.token.Serial, "--pin-source", s.pin)
		if code != c.code || !strings.Contains(shown, "2 keys without a name will be deleted") || !strings.Contains(shown, "(unnamed, half made)") || !strings.Contains(shown, c.says) {
			t.Errorf("%q typed: exit %d\n%s", c.answer, code, shown)
		}
		if now := s.token.Snapshot(t); (now == full) != (c.code != 0) {
			t.Errorf("%q typed, left:\n%s", c.answer, now)
		}
	}
	if keys := s.listed(); len(keys) != 2 {
		t.Errorf("left: %+v", keys)
	}
	s.ends(s.key("delete", "--unnamed", "--yes", "--json", "--kcv", kcv), 0, `"deleted": [`)
	if now := s.token.Snapshot(t); now != before {
		t.Errorf("left:\n%s\nbefore:\n%s", now, before)
	}
}

// An id alone names a key, and a sealing key is safe from it too.
func TestAnIDNamesAKey(t *testing.T) {
	s := newTwoTokens(t)
	s.well(s.key("generate", "one"))
	s.ends(s.key("generate", vault.KeyLabelPrefix+" 123456789012"), 2, "is ssovault's own")
	s.well(s.key("components", vault.KeyLabelPrefix+" 123456789012", "--count", "2", "--attributes", "E"))
	ids := map[string]string{}
	for _, k := range s.listed() {
		ids[k.Label] = k.ID
	}
	s.ends(s.key("show", "--id", ids["one"]), 0, "one")
	s.ends(s.key("delete", "--yes", "--id", ids[vault.KeyLabelPrefix+" 123456789012"]), 2, "is a sealing key")
	s.ends(s.key("generate", "--json"), 2, "which key is meant?")
	s.ends(s.key("delete", "--yes", "--id", ids["one"]), 0, "deleted: \"one\"")
	if keys := s.listed(); len(keys) != 1 {
		t.Errorf("left: %+v", keys)
	}
}

// Where the making of a sealing key breaks off, what to do about a part of it is
// said, and a second run is none the worse for it.
func TestHalfASealingKey(t *testing.T) {
	c := newConnector(t)
	before := c.token.Snapshot(t)
	c.module.Plan("on C_GenerateKey * break-off 0x30")
	if o := c.run("-config", "-answers", filepath.Join(c.in, "answers")); o.code != 10 || !strings.Contains(o.stderr, "'ssovault key delete --unnamed'") {
		t.Fatalf("exit %d\n%s", o.code, o.stderr)
	}
	c.module.Plan()
	if c.token.Snapshot(t) == before {
		t.Fatal("no part was left")
	}
	c.must("key", "delete", "--unnamed", "--yes", "--token", c.token.Serial, "--library", c.module.Path, "--pin-source", "file:"+filepath.Join(c.in, "token.pin"))
	if now := c.token.Snapshot(t); now != before {
		t.Errorf("left:\n%s", now)
	}
	c.configure()
}
