package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newMovedScene is an instance that was migrated: a backup of before, and the PIN
// of the token before, which the migration kept.
func newMovedScene(t *testing.T) (k *keyScene, archive, keptPIN string) {
	t.Helper()
	k = newKeyScene(t)
	k.configure()
	k.setSKS("sks.pin", "file")
	k.putPIN(k.token.PIN)
	k.must("unseal")
	archive = k.backup(filepath.Join(k.in, "before.tar.zst"))
	k.must("migrate", "--to", k.second.Serial, "--to-pin-source", "file:"+k.in+"/second.pin", "--service-pin-source", "file")
	kept, _ := filepath.Glob(k.base + "/sks.pin.before-config-*")
	if len(kept) != 1 {
		t.Fatal(kept)
	}
	return k, archive, kept[0]
}

// putPIN writes BASE/sks.pin.
func (k *keyScene) putPIN(pin string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.base, "sks.pin"), []byte(pin), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// What restore knows of BASE/sks.pin outlives it: no later command spends a try
// of the token before on the PIN of another one.
func TestTheOtherTokensPINIsNotTriedAfterARestore(t *testing.T) {
	k, archive, keptPIN := newMovedScene(t)
	newer := k.backup(filepath.Join(k.in, "after.tar.zst"))
	k.must("restore", "--accept-sks", archive)
	logins := k.module.CallsOf("C_Login")
	for _, args := range [][]string{
		{"unseal"}, {"run", "--", "true"}, {"status"}, {"doctor"}, {"unseal", "--pin-source", "file"},
		{"set", "admin_port=9999"}, {"rotate"}, {"restore", "--must-open", archive}, {"backup", "drill", archive},
	} {
		o := k.run(args...)
		for _, want := range []string{"holds the PIN of the token \"second token\" (serial " + k.second.Serial + ")", "no login was tried", keptPIN} {
			if o.code != 22 || !strings.Contains(o.stdout+o.stderr, want) {
				t.Errorf("%q: exit %d, want 22 and %q\n%s%s", args, o.code, want, o.stdout, o.stderr)
			}
		}
	}
	if n := k.module.CallsOf("C_Login"); n != logins {
		t.Errorf("%d logins", n-logins)
	}
	if o := k.run("unseal", "--pin-source", "file:"+keptPIN); o.code != 0 {
		t.Errorf("the PIN that was kept: exit %d\n%s", o.code, o.stderr)
	}
	if o := k.run("unseal"); o.code != 22 {
		t.Errorf("sks.pin is as it was: exit %d\n%s", o.code, o.stderr)
	}
	// Its own token may have it, whatever was there in between.
	k.must("restore", "--accept-sks", "--must-open", newer)
	k.must("unseal")
	k.must("restore", "--accept-sks", archive)
	pin, err := os.ReadFile(keptPIN)
	if err != nil {
		t.Fatal(err)
	}
	k.putPIN(string(pin))
	k.must("unseal")
	k.must("status")
}

// An administrator who knows that both tokens have one PIN says so once.
func TestTwoTokensOfOnePIN(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	k.setSKS("sks.pin", "file")
	k.putPIN(k.token.PIN)
	archive := k.backup()
	k.setSKS("sks.token.serial", k.second.Serial) // as if it had been migrated
	k.must("restore", "--accept-sks", archive)
	if o := k.run("unseal"); o.code != 22 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	k.must("unseal", "--try-pin")
	k.must("unseal")
	// What cannot be read counts as somebody else's, until the PIN has worked.
	memory := filepath.Join(k.base, "run", "pin-of.json")
	if err := os.WriteFile(memory, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := k.run("unseal"); o.code != 22 || !strings.Contains(o.stderr, "hint: delete "+memory) {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	k.must("unseal", "--try-pin")
	k.must("unseal")
}

// Restore with a PIN that was named for this once says that the service has
// another one.
func TestRestoreSaysThatTheServiceHasAnotherPIN(t *testing.T) {
	k, archive, keptPIN := newMovedScene(t)
	own := "file:" + keptPIN
	for _, dry := range []bool{true, false} {
		args := []string{"restore", "--accept-sks", "--must-open", "--pin-source", own, archive}
		if dry {
			args = append(args, "--dry-run")
		}
		o := k.run(args...)
		if o.code != 0 || !strings.Contains(o.stderr, "the service itself, whose source is file (sks.properties), does not start") ||
			!strings.Contains(o.stderr, "put its own PIN into "+k.base+"/sks.pin") {
			t.Errorf("dry run %v: exit %d\n%s", dry, o.code, o.stderr)
		}
	}
	if o := k.run("unseal"); o.code != 22 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	k.putPIN("something-else")
	if o := k.run("restore", "--must-open", "--pin-source", own, archive); o.code != 0 || !strings.Contains(o.stderr, "it holds another PIN than file:"+keptPIN) {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
	k.putPIN(k.token.PIN)
	if o := k.run("restore", "--must-open", "--pin-source", own, archive); o.code != 0 || strings.Contains(o.stderr, "the service itself") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}
