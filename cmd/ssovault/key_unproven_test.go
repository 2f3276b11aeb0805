package main

import (
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
)

// A key without a name of which the token tells no value may be somebody's, and
// work: --yes alone never deletes it.
func TestUnnamedKeysThatWork(t *testing.T) {
	s := newTwoTokens(t)
	s.token.Nameless(t, pkcs11.CKK_AES, []uint{pkcs11.CKA_UNWRAP, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY})
	s.token.Nameless(t, pkcs11.CKK_GENERIC_SECRET, []uint{pkcs11.CKA_SIGN})
	s.token.Nameless(t, pkcs11.CKK_RSA, []uint{pkcs11.CKA_SIGN})
	whole := s.token.Snapshot(t)
	if list := s.well(s.key("list")); strings.Contains(list, "half made") || strings.Count(list, "(unnamed)") != 3 {
		t.Errorf("listed:\n%s", list)
	}
	s.halves()
	full := s.token.Snapshot(t)
	s.ends(s.key("delete", "--unnamed", "--dry-run"), 0, "kept: 3 keys without a name, not proved to be half made")
	s.ends(s.key("delete", "--unnamed", "--dry-run", "--unproven"), 0, "would be deleted: 5 keys")
	s.ends(s.key("delete", "--unnamed", "--unproven", "--yes"), 2, "--yes does not answer for --unproven")
	s.ends(s.key("delete", "--unnamed", "--unproven"), 2, "has to be typed")
	s.ends(s.key("delete", "--unnamed", "--unproven", "--kcv", "123456"), 2, "either --kcv or --unproven")
	s.ends(s.key("delete", "lost", "--unproven"), 2, "go with --unnamed")
	if now := s.token.Snapshot(t); now != full {
		t.Fatalf("left:\n%s", now)
	}
	s.ends(s.key("delete", "--unnamed", "--yes"), 0, "deleted: 2 keys without a name")
	if now := s.token.Snapshot(t); now != whole {
		t.Fatalf("left:\n%s\nwhole:\n%s", now, whole)
	}
	unproven := func(answer string, more ...string) (string, int) {
		return s.onTerminal([]string{answer}, "never", "", append([]string{"key", "delete", "--unnamed", "--unproven", "--token", s.token.Serial, "--pin-source", s.pin}, more...)...)
	}
	if shown, code := unproven("another"); code != 2 || !strings.Contains(shown, "may be somebody's") || s.token.Snapshot(t) != whole {
		t.Errorf("exit %d\n%s", code, shown)
	}
	if shown, code := unproven(s.token.Label); code != 0 || !strings.Contains(shown, "deleted: 3 keys") || s.token.Snapshot(t) != "" {
		t.Errorf("exit %d\n%s", code, shown)
	}
}

// Half a key that the token does not let be proved to be one stays, and that is
// said.
func TestAPartThatIsNotProvedStays(t *testing.T) {
	for _, c := range []struct {
		plan string
		args []string
	}{
		{"on C_GenerateKey * break-off 0x30", []string{"generate", "lost"}},
		{"on C_CreateObject 3 break-off 0x30", []string{"components", "lost", "--count", "2", "--attributes", "E"}},
	} {
		s := newTwoTokens(t)
		s.module.Reset()
		s.module.Plan(c.plan, "on C_DigestKey * return 0x67")
		s.ends(s.key(c.args...), 10, "a part of it without a name")
		s.ends(s.key("delete", "--unnamed", "--yes"), 0, "kept: 1 key without a name, not proved")
		s.module.Plan()
		s.ends(s.key("delete", "--unnamed", "--yes"), 0, "deleted: 1 key without a name")
		if now := s.token.Snapshot(t); now != "" {
			t.Errorf("left:\n%s", now)
		}
	}
}
