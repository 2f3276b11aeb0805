package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// A sealing key that came by export and import has another id, under which its
// folder does not find it: compare and replicate say so, and --id keeps the id.
func TestSealingKeyUnderAnotherID(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	k.must("rotate", "--replicable")
	one, two := k.token.Serial, k.second.Serial
	pin, secondPIN := "file:"+k.in+"/token.pin", "file:"+k.in+"/second.pin"
	so := "file:" + k.bring("so.pin", []byte(k.token.SOPIN+"\n"))
	admin := func(args ...string) outcome { return k.run(append(args, "--library", k.module.Path)...) }
	well := func(args ...string) string {
		t.Helper()
		o := admin(args...)
		if o.code != 0 {
			t.Fatalf("%v: exit %d\n%s%s", args, o.code, o.stdout, o.stderr)
		}
		return o.stdout
	}
	ends := func(code int, text string, args ...string) string {
		t.Helper()
		o := admin(args...)
		if o.code != code || !strings.Contains(o.stdout+o.stderr, text) {
			t.Errorf("%v: exit %d, want %d and %q\n%s%s", args, o.code, code, text, o.stdout, o.stderr)
		}
		return o.stdout
	}
	label := "SSO Vault Properties " + strings.TrimSpace(k.must("get", "instance_number")) + " -2"
	lines := well("key", "components", "KEK", "--token", two, "--pin-source", secondPIN, "--count", "2", "--attributes", "U")
	kcv := strings.TrimSpace(well("key", "kcv", "KEK", "--token", two, "--pin-source", secondPIN))
	parts := strings.SplitAfter(lines, "\n")
	well("key", "enter", "KEK", "--token", one, "--as", "so", "--so-pin-source", so, "--kcv", kcv,
		"--component", k.bring("a.lines", []byte(parts[0]+parts[1])), "--component", k.bring("b.lines", []byte(parts[2]+parts[3])))
	file := filepath.Join(k.in, "sealing.key")
	well("key", "export", label, "--token", one, "--pin-source", pin, "--wrap", "KEK", "-o", file)
	var shown struct{ ID string }
	if err := json.Unmarshal([]byte(well("key", "show", label, "--token", one, "--pin-source", pin, "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	identity := well("hsm", "identity", "create", "--token", two, "--pin-source", secondPIN, "--json")
	fingerprint, _, _ := strings.Cut(afterText(t, identity, `"fingerprint": "`), `"`)
	well("hsm", "identity", "trust", "--token", one, "--peer", two, "--fingerprint", fingerprint, "--so-pin-source", so)
	replicate := []string{"hsm", "replicate", "--from", one, "--to", two, "--from-pin-source", pin, "--to-pin-source", secondPIN, "--yes", "--key", label}
	compare := []string{"hsm", "compare", one, two, "--first-pin-source", pin, "--second-pin-source", secondPIN}
	bring := []string{"key", "import", file, "--token", two, "--pin-source", secondPIN, "--unwrap", "KEK"}

	well(bring...)
	ends(24, "under another id", replicate...)
	ends(24, "have another id in the other token", compare...)
	var compared compareReport
	if err := json.Unmarshal([]byte(admin(append(compare, "--json")...).stdout), &compared); err != nil {
		t.Fatal(err)
	}
	other := ""
	for _, c := range compared.Keys {
		if c.Label == label && c.State == compareNamed && c.FirstID == shown.ID && c.SecondID != shown.ID && c.ID == "" {
			other = c.SecondID
		}
	}
	if other == "" {
		t.Fatalf("%+v", compared.Keys)
	}
	ends(2, "under another id, "+other, append(bring, "--id", shown.ID)...)
	ends(2, "has a key of that id", append(bring, "--id", other, "--label", "more")...)
	ends(2, "--id is empty", append(bring, "--id", "")...)
	ends(2, "in hexadecimal", append(bring, "--id", "zz")...)

	// What the refusal says to do works, and then either way brings the id.
	retire := func(id string) {
		t.Helper()
		well("key", "retire", id, "--token", two, "--yes", "--pin-source", secondPIN)
	}
	retire(other)
	well(append(bring, "--id", strings.ToUpper(shown.ID))...)
	if out := well(append(bring, "--id", shown.ID)...); !strings.Contains(out, "already present") {
		t.Error(out)
	}
	ends(0, "already present", replicate...)
	settings := k.must("unseal")
	k.setSKS("sks.token.serial", two)
	k.setSKS("sks.token.label", k.second.Label)
	k.setSKS("sks.pin", secondPIN)
	if got := k.must("unseal"); got != settings {
		t.Errorf("in the second token:\n%s", got)
	}
}

// Another key's id is only told; attributes that let a key be used or leave
// otherwise are a difference.
func TestCompareLooksAtMoreThanKCVs(t *testing.T) {
	s := newCarryScene(t)
	import1 := func(label string, more ...string) {
		t.Helper()
		s.well(s.there(append([]string{"import", filepath.Join(s.dir, "pay.key"), "--unwrap", "KEK", "--label", label}, more...)...))
	}
	replicated := s.try("hsm", "replicate", "--from", s.token.Serial, "--to", s.third.Serial, "--pin-source", s.pin, "--yes")
	s.well(replicated)
	compare := func() outcome {
		return s.try("hsm", "compare", s.token.Serial, s.second.Serial, "--pin-source", s.pin)
	}
	id := strings.TrimSpace(afterText(t, s.well(s.key("show", "pay")), "\nid"))
	id, _, _ = strings.Cut(id, "\n")
	for _, c := range []struct {
		more []string
		code int
		text string
	}{
		{[]string{"--id", id}, 0, "pay: only the first has X"},
		{[]string{"--id", id, "--replicable"}, 0, "same"},
		{[]string{"--id", id, "--attributes", "E"}, 24, "X (CKA_EXTRACTABLE), D (CKA_DECRYPT)"},
		{[]string{"--id", id, "--attributes", "EDX", "--wrap-with-any"}, 24, "CKA_WRAP_WITH_TRUSTED"},
		{nil, 24, "pay: id " + id + " / "},
	} {
		import1("pay", c.more...)
		s.ends(compare(), c.code, c.text)
		s.well(s.there("delete", "pay", "--yes"))
	}
	import1("pay")
	identity := s.well(s.try("hsm", "identity", "create", "--token", s.second.Serial, "--pin-source", s.pin))
	print := strings.TrimSpace(afterText(t, identity, "fingerprint "))
	s.well(s.try("hsm", "identity", "trust", "--token", s.token.Serial, "--peer", s.second.Serial, "--fingerprint", print, "--so-pin-source", s.so))
	s.ends(s.try("hsm", "replicate", "--from", s.token.Serial, "--to", s.second.Serial, "--pin-source", s.pin, "--yes"), 0, "present under another id ")
}

// A replica that is there is never taken back, whatever fails when replication is
// asked for again.
func TestReplicasStayWhenAskingFails(t *testing.T) {
	s := newCarryScene(t)
	args := []string{"hsm", "replicate", "--from", s.token.Serial, "--to", s.third.Serial, "--pin-source", s.pin, "--yes"}
	s.well(s.try(args...))
	before := s.third.Snapshot(t)
	s.module.Reset()
	s.well(s.try(args...))
	n := s.module.CallsOf("C_FindObjectsInit")
	if n < 4 {
		t.Fatalf("%d searches", n)
	}
	for at := 1; at <= n; at++ {
		s.module.Reset()
		s.module.Plan(fmt.Sprintf("on C_FindObjectsInit %d return 0x30", at))
		o := s.try(args...)
		s.module.Plan()
		if s.third.Snapshot(t) != before {
			t.Fatalf("search %d: exit %d, and the replica is gone\n%s", at, o.code, o.stderr)
		}
	}
}
