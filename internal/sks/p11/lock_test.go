package p11_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

func TestWaitForAnotherProcessIsBounded(t *testing.T) {
	k := p11test.Token(t)
	held, err := os.Open(k.Conf)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	a := access(k, k.Library)
	a.Timeouts = sks.Timeouts{Question: 600 * time.Millisecond, Use: 300 * time.Millisecond}
	_, _, err = dial(t, a, k.PIN)
	wantCause(t, err, fault.Unreachable)
	if !strings.Contains(err.Error(), "another process holds") {
		t.Errorf("login: %v", err)
	}
	_, err = new(helper.Client).Tokens(t.Context(), k.Library, a.Timeouts)
	wantCause(t, err, fault.Unreachable)
	if !strings.Contains(err.Error(), "another process holds") {
		t.Errorf("list: %v", err)
	}
	a.Serialise = false
	if s, _, err := dial(t, a, k.PIN); err != nil {
		t.Errorf("a device that needs no lock waits for one: %v", err)
	} else if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	a.Serialise = true
	if _, _, err := dial(t, a, k.PIN); err != nil {
		t.Errorf("the lock is free: %v", err)
	}
}
