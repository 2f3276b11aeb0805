package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"ssovault/internal/p11test"
)

// A key loses X for good, so nobody takes it away without saying so: by its name
// at a terminal, by --yes in a script.
func TestWhatNoKeyGetsBackIsConfirmed(t *testing.T) {
	k := p11test.Token(t)
	s := newAdminScene(t, k, k.Library)
	s.base = "" // no install folder
	s.well(s.key("generate", "edmx", "--attributes", "EDMX"))
	before := k.Snapshot(t)
	unchanged := func() {
		t.Helper()
		if now := k.Snapshot(t); now != before {
			t.Fatalf("before:\n%s\nnow:\n%s", before, now)
		}
	}
	s.ends(s.key("set", "edmx", "--attributes", "ED"), 2, "it loses X (CKA_EXTRACTABLE), which no key gets back")
	s.ends(s.try("hsm", "ctkmu", "m", "-s"+k.Serial, "-nedmx", "-aED", "--pin-source", s.pin), 2, "say --yes")
	unchanged()
	args := []string{"key", "set", "edmx", "--token", k.Serial, "--pin-source", s.pin, "--attributes", "ED"}
	for _, typed := range []string{"", "yes", "EDMX"} {
		if shown, code := s.onTerminal([]string{typed}, "never", "", args...); code != 2 || !strings.Contains(shown, "never again be exported or replicated") {
			t.Errorf("%q: exit %d\n%s", typed, code, shown)
		}
		unchanged()
	}
	// What can be taken back is not asked for.
	s.ends(s.key("set", "edmx", "--attributes", "DMX"), 0, "PMTXD")
	if shown, code := s.onTerminal([]string{"edmx"}, "never", "", args...); code != 0 || !strings.Contains(shown, "PMTED") {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	s.ends(s.key("set", "edmx", "--attributes", "E"), 0, "PMTE")
	s.well(s.key("generate", "other", "--attributes", "EDMX"))
	s.ends(s.try("hsm", "ctkmu", "m", "-s"+k.Serial, "-nother", "-aED", "--yes", "--pin-source", s.pin), 0, "PMTED")
	// Nor does a key become readable again.
	s.well(s.key("generate", "plain", "--attributes", "EDM", "--not-sensitive", "--yes"))
	s.ends(s.key("set", "plain", "--attributes", "EDMT"), 2, "it gets T (CKA_SENSITIVE), which no key loses")
	s.ends(s.key("set", "plain", "--attributes", "EDMT", "--yes"), 0, "PMTED")
}

// Whoever breaks off what is not taken back is told that it may be done.
func TestInterruptedDelete(t *testing.T) {
	s := newTwoTokens(t)
	s.well(s.key("generate", "going"))
	s.module.Reset()
	s.module.Plan("on C_DestroyObject 1 sleep-ms 1000")
	cmd := s.command("key", "delete", "going", "--yes", "--token", s.token.Serial, "--pin-source", s.pin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s.module.CallsOf("C_DestroyObject") < 1 {
		if err := syscall.Kill(cmd.Process.Pid, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "may have been deleted") || strings.Contains(stderr.String(), "nothing was changed") {
		t.Errorf("exit %d\n%s", code, &stderr)
	}
}

// A token may fail once it has done what is asked, or die of it: what may be done
// is said, and where it shows.
func TestLostAnswerOfChange(t *testing.T) {
	s := newTwoTokens(t)
	slot := fmt.Sprint(s.token.Slot)
	for _, fault := range []string{"after 0x30", "crash"} {
		s.module.Reset()
		s.well(s.key("generate", "going", "--attributes", "EDM"))
		for _, c := range []struct {
			call, says string
			args       []string
		}{
			{"C_SetAttributeValue", "may have been changed", []string{"key", "set", "going", "--attributes", "E", "--yes"}},
			{"C_DestroyObject", "may have been deleted", []string{"key", "delete", "going", "--yes"}},
			{"C_InitToken", "may have been initialised", []string{"hsm", "init", "--slot", slot, "--label", "again", "--yes", "--so-pin-source", s.so}},
		} {
			s.module.Plan("on " + c.call + " 1 " + fault)
			if c.args[0] == "key" {
				c.args = append(c.args, "--token", s.token.Serial)
			}
			s.ends(s.try(append(c.args, "--pin-source", s.pin)...), 10, c.says)
		}
		s.module.Reset()
		s.token = s.token.Again(t, "first")
		slot = fmt.Sprint(s.token.Slot)
	}
}
