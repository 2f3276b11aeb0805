package main

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/hsm"
	"ssovault/internal/p11test"
)

// Components, keys and PINs are seen in the sheets and on the pipe alone: in no
// argument, no log, no other file, and nothing that is printed.
func TestComponentsLeakNowhere(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Fatal("strace is missing: install the package strace")
	}
	s := newTwoTokens(t)
	sheets := filepath.Join(s.dir, "sheets")
	if err := os.Mkdir(sheets, 0o700); err != nil {
		t.Fatal(err)
	}
	file := s.bring("known.lines", []byte(knownComponents[:56]))
	other := s.bring("other.lines", []byte(knownComponents[56:]))
	log := filepath.Join(s.dir, "strace.log")
	traced := func(args ...string) (outcome, string) {
		t.Helper()
		plain := s.command(args...)
		cmd := exec.Command("strace", append([]string{"-f", "-y", "-s", "100000", "-x", "-e", "trace=write,pwrite64,writev,execve,sendto,sendmsg", "-o", log}, plain.Args...)...)
		cmd.Env, cmd.Dir = plain.Env, plain.Dir
		o := execute(t, cmd)
		if o.code != 0 {
			t.Fatalf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return o, string(b)
	}
	look := func(trace string, secrets []string, allowed ...string) (met int) {
		t.Helper()
		for line := range strings.Lines(trace) {
			for i, secret := range secrets {
				if !strings.Contains(line, secret) && !strings.Contains(strings.ToUpper(line), secret) {
					continue
				}
				ok := strings.Contains(line, "<socket:") || strings.Contains(line, "<UNIX")
				for _, place := range allowed {
					if strings.Contains(line, place) {
						ok = true
						met++
					}
				}
				if !ok {
					t.Errorf("secret %d in %.200s", i, line)
				}
			}
		}
		return met
	}

	o, trace := traced("key", "components", "K1", "--token", s.token.Serial, "--pin-source", s.pin, "--count", "2")
	secrets := []string{s.token.PIN, strings.ToUpper(hex.EncodeToString(xorOf(t, o.stdout)))}
	for i, line := range strings.Fields(o.stdout) {
		if i%2 == 0 {
			secrets = append(secrets, line)
		}
	}
	if met := look(trace, secrets, "write(1<pipe:"); met != 2 {
		t.Errorf("%d components are on the pipe", met)
	}
	if strings.Contains(o.stderr, secrets[2]) {
		t.Error("a component is printed beside the pipe")
	}
	_, trace = traced("key", "components", "K2", "--token", s.token.Serial, "--pin-source", s.pin, "--count", "2", "--sheet-dir", sheets)
	svg, err := os.ReadFile(filepath.Join(sheets, "K2-component-1-of-2.txt"))
	if err != nil {
		t.Fatal(err)
	}
	block := afterText(t, string(svg), "block 1                ")[:8]
	if met := look(trace, []string{s.token.PIN, block}, "<"+sheets+"/#"); met != 2 {
		t.Errorf("a block is in %d files", met)
	}
	known := []string{s.token.PIN, "7C7FD05D37C216C19B1AD06710850176E02AC77FD3C1C84F", "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123",
		"7C5D943BBF68DA2FB95EB6EFBA49EF76A44C4FD51F2FC86D"}
	o, trace = traced("key", "enter", "K3", "--token", s.token.Serial, "--pin-source", s.pin, "--type", "des3", "--kcv", "88496A",
		"--component", file, "--component", other)
	look(trace, known)
	for i, secret := range known {
		if strings.Contains(o.stdout+o.stderr, secret) {
			t.Errorf("secret %d is printed", i)
		}
	}
}

// opencryptoki's token has no key wrap and tells no check values; what it can do
// works, and what it cannot names the mechanism.
func TestCarryOnOpencryptoki(t *testing.T) {
	k := p11test.Opencryptoki(t)
	s := newAdminScene(t, k, k.Library)
	s.base = ""
	lines := s.well(s.key("components", "aes", "--count", "3", "--attributes", "WE"))
	if key := xorOf(t, lines); len(key) != 32 {
		t.Fatalf("%d bytes", len(key))
	}
	file := s.bring("known.lines", []byte(knownComponents[:56]))
	other := s.bring("other.lines", []byte(knownComponents[56:]))
	s.ends(s.key("enter", "KEK", "--type", "des3", "--attributes", "WUE", "--kcv", "88496A", "--component", file, "--component", other), 0, "88496A")
	s.well(s.key("generate", "pay", "--attributes", "EX", "--wrap-with-any"))
	s.well(s.key("enter", "silent", "--type", "des3", "--attributes", "W", "--kcv", "88496A", "--component", file, "--component", other))
	again := s.key("enter", "silent", "--type", "des3", "--attributes", "W", "--kcv", "88496A", "--component", file, "--component", other)
	s.ends(again, 0, "already present: silent")
	s.ends(again, 0, "tells no KCV of the key")
	s.ends(s.key("delete", "silent", "--yes"), 0, "deleted")
	s.well(s.key("generate", "silent", "--attributes", "WU"))
	before := k.Snapshot(t)
	out := filepath.Join(s.dir, "pay.key")
	s.ends(s.key("export", "pay", "--wrap", "aes", "-o", out), 2, "CKM_AES_KEY_WRAP_KWP")
	s.ends(s.key("export", "pay", "--wrap", "KEK", "-o", out), 2, "is a Triple-DES key")
	s.ends(s.key("components", "t", "--count", "2", "--replicable"), 2, "does not know CKA_WRAP_WITH_TRUSTED")
	s.ends(s.try("key", "components", "t", "--token", k.Serial, "--count", "2", "--as", "so", "--so-pin-source", s.so), 2, "does not let its security officer mark a key as trusted (CKA_TRUSTED)")
	// The check value that a wrapper lacks would help nobody.
	s.ends(s.key("export", "pay", "--wrap", "silent", "-o", out), 2, "offers none of the mechanisms that wrap under an AES key: CKM_AES_KEY_WRAP_KWP")
	vector, err := filepath.Abs("../../testdata/vectors/exported-kwp.key")
	if err != nil {
		t.Fatal(err)
	}
	s.ends(s.key("import", vector, "--unwrap", "silent"), 2, "offers none of the mechanisms")
	if now := k.Snapshot(t); now != before {
		t.Errorf("before:\n%s\nnow:\n%s", before, now)
	}
	s.ends(s.key("export", "pay", "--wrap", "KEK", "-o", out, "--legacy-3des"), 0, "wrapped by des3-ecb under KEK")
	s.ends(s.key("import", out, "--unwrap", "KEK", "--label", "back"), 2, "--legacy-3des")
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	x, err := hsm.ParseExported(text)
	if err != nil {
		t.Fatal(err)
	}
	pay := openssl(t, x.Wrapped, "enc", "-d", "-des-ede3", "-nopad", "-K", "7C5D943BBF68DA2FB95EB6EFBA49EF76A44C4FD51F2FC86D")
	box := openssl(t, make([]byte, 16), "enc", "-aes-256-ecb", "-nopad", "-K", hex.EncodeToString(pay))
	if got := hsm.KCV(box[:3]); got != x.KCV {
		t.Errorf("openssl unwrapped a key of KCV %s, not %s", got, x.KCV)
	}
	// Version 3.8 makes a key that it unwraps readable, whatever it was asked for.
	before = k.Snapshot(t)
	s.ends(s.key("import", out, "--unwrap", "KEK", "--label", "back", "--legacy-3des"), 2, "without T (CKA_SENSITIVE), other than asked for; it was removed")
	if now := k.Snapshot(t); now != before {
		t.Errorf("before:\n%s\nnow:\n%s", before, now)
	}
}
