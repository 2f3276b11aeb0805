package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"ssovault/internal/p11test"
)

// tool runs another program on the token, logged in.
func (s *twoTokens) tool(args ...string) {
	s.t.Helper()
	s.toolOn(s.token, args...)
}

// toolOn runs it on one of the tokens.
func (s *twoTokens) toolOn(k p11test.Tok, args ...string) {
	s.t.Helper()
	cmd := exec.Command("pkcs11-tool", append([]string{"--module", k.Library, "--token-label", k.Label, "--login", "--pin", k.PIN}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("pkcs11-tool %v: %v\n%s", args, err, out)
	}
}

// Keys of one label, id and class are told apart by their check value, and of
// one key that is there twice either may go.
func TestKeysOfOneName(t *testing.T) {
	s := newTwoTokens(t)
	for range 2 {
		s.tool("--keygen", "--key-type", "AES:32", "--label", "twin", "--id", "01")
	}
	value := s.bring("value", bytes.Repeat([]byte{7}, 32))
	for range 2 {
		s.tool("--write-object", value, "--type", "secrkey", "--key-type", "AES:32", "--label", "same", "--id", "02")
	}
	for range 2 {
		s.tool("--keypairgen", "--key-type", "EC:prime256v1", "--label", "pair", "--id", "03")
	}
	var twins []string
	kcv := ""
	for _, k := range s.listed() {
		switch k.Label {
		case "twin":
			twins = append(twins, k.KCV)
		case "same":
			kcv = k.KCV
		}
	}
	full := s.token.Snapshot(t)
	for _, args := range [][]string{{"show", "twin"}, {"delete", "twin", "--yes"}, {"delete", "twin", "--yes", "--id", "01", "--class", "secret"}} {
		s.ends(s.key(args...), 23, "of KCV "+twins[0])
		s.ends(s.key(args...), 23, "--kcv")
	}
	s.ends(s.key("delete", "same", "--yes"), 23, "removes one of them")
	s.ends(s.key("delete", "pair", "--yes"), 23, "--class")
	s.ends(s.key("delete", "pair", "--yes", "--class", "private"), 23, "the device's own tool can")
	s.ends(s.key("delete", "twin", "--yes", "--kcv", "000000"), 13, "no key \"twin\" of KCV 000000, but secret key \"twin\"")
	s.ends(s.key("delete", "twin", "--yes", "--class", "public"), 13, "no key \"twin\" of class public, but secret key \"twin\"")
	if now := s.token.Snapshot(t); now != full {
		t.Fatalf("left:\n%s", now)
	}
	s.ends(s.key("show", "twin", "--kcv", twins[1]), 0, twins[1])
	s.ends(s.key("delete", "twin", "--yes", "--kcv", twins[1]), 0, "deleted")
	s.ends(s.key("show", "twin"), 0, twins[0])
	s.ends(s.key("delete", "same", "--yes", "--kcv", kcv), 0, "deleted")
	s.ends(s.key("show", "same"), 0, kcv)
	if n := len(s.listed()); n != 6 {
		t.Errorf("%d keys", n)
	}
}

// Keys that share a label alone are no matter of one id, and the hint names the
// flag that the command has for the key that is meant.
func TestWrappersOfOneLabel(t *testing.T) {
	s := newTwoTokens(t)
	s.wrappers()
	s.well(s.key("generate", "pay", "--replicable"))
	path := filepath.Join(s.dir, "pay.key")
	s.well(s.key("export", "pay", "--wrap", "KEK", "-o", path))
	ids := map[string]string{}
	for _, k := range []p11test.Tok{s.token, s.second} {
		shown := s.well(s.try("key", "show", "KEK", "--token", k.Serial, "--pin-source", s.pin, "--json"))
		var r keyReport
		if err := json.Unmarshal([]byte(shown), &r); err != nil {
			t.Fatal(err)
		}
		ids[k.Serial] = r.ID
		for n, args := range [][]string{{"--keygen", "--key-type", "AES:32"}, {"--keypairgen", "--key-type", "RSA:2048"}} {
			s.toolOn(k, append(args, "--label", "KEK", "--id", fmt.Sprintf("0%d", n+1))...)
		}
	}
	again := filepath.Join(s.dir, "again.key")
	for _, c := range []struct {
		args         []string
		serial, flag string
	}{
		{[]string{"key", "export", "pay", "--wrap", "KEK", "-o", again}, s.token.Serial, "--wrapper-id"},
		{[]string{"key", "import", path, "--unwrap", "KEK", "--label", "pay"}, s.second.Serial, "--wrapper-id"},
		{[]string{"key", "show", "KEK"}, s.token.Serial, "--id"},
	} {
		args := append(c.args, "--token", c.serial, "--pin-source", s.pin)
		o := s.try(args...)
		s.ends(o, 2, "hint: name one by its id ("+c.flag+")")
		if strings.Contains(o.stderr, "have this id") {
			t.Errorf("%v: keys of several ids have one:\n%s", c.args, o.stderr)
		}
		s.ends(s.try(append(args, c.flag, ids[c.serial])...), 0, "KCV")
	}
}

// Unnamed keys that have no check value are chosen by their class.
func TestUnnamedKeysOfAClass(t *testing.T) {
	s := newTwoTokens(t)
	s.token.Nameless(t, pkcs11.CKK_AES, []uint{pkcs11.CKA_SIGN})
	before := s.token.Snapshot(t)
	s.tool("--keypairgen", "--key-type", "EC:prime256v1")
	for _, class := range []string{"private", "public"} {
		shown, code := s.onTerminal([]string{s.token.Label}, "never", "", "key", "delete", "--unnamed", "--unproven", "--class", class, "--token", s.token.Serial, "--pin-source", s.pin)
		if code != 0 {
			t.Errorf("%s: exit %d\n%s", class, code, shown)
		}
	}
	if now := s.token.Snapshot(t); now != before {
		t.Errorf("left:\n%s\nbefore:\n%s", now, before)
	}
}
