package p11test

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
)

// A plan that is not understood ends the process that loads it.
func TestBadPlansAreRefused(t *testing.T) {
	k := Token(t)
	for _, c := range []struct{ line, complaint string }{
		{"on C_Decript 1 return 5", "no such function"},
		{"on C_Decrypt 0 return 5", "calls are counted from 1"},
		{"on C_Decrypt x return 5", "a number is expected"},
		{"on C_Decrypt + return 5", "a number is expected"},
		{"on C_Decrypt 1- return 5", "a number is expected"},
		{"on C_Decrypt 1 return", "wrong number of words"},
		{"on C_Decrypt 1 return five", "a number is expected"},
		{"on C_Decrypt 1 return 5 6", "wrong number of words"},
		{"on C_Decrypt 1 kill 5", "wrong number of words"},
		{"on C_Decrypt 1", "wrong number of words"},
		{"on C_Decrypt 1 explode", "no such action"},
		{"on C_Login 1 flip", "no output"},
		{"on * 1 flip", "no output"},
		{"on C_Login 1 break-off 5", "makes no object"},
		{"on * 1 vanish-halfway", "makes no object"},
		{"iv mine", "no such maker"},
		{"iv", "wrong number of words"},
		{"flags 1", "wrong number of words"},
		{"flags 1 -2", "a number is expected"},
		{"no-mechanism AES", "a number is expected"},
		{"serial-suffix 12345678901234567", "too long"},
		{"label-is 123456789012345678901234567890123", "too long"},
		{"refuse-objects keys", "no such class"},
		{"untold 0x90", "wrong number of words"},
		{"untold LABEL beside", "a number is expected"},
		{"untold 0x90 never", "no such way"},
		{"log all", "wrong number of words"},
		{"delay-us", "wrong number of words"},
		{"a b c d e f g h i", "too many words"},
		{"sometimes", "no such directive"},
	} {
		t.Run(c.line, func(t *testing.T) {
			m := Faulty(t, "")
			m.Plan("# a comment", "", c.line)
			cmd := clientOf(t, k, m, "init")
			var complaint bytes.Buffer
			cmd.Stderr = &complaint
			signal, status := ended(t, cmd)
			if signal != syscall.SIGABRT && status != 2 { // Go reports a SIGABRT by status 2
				t.Errorf("signal %d, status %d", signal, status)
			}
			first, _, _ := strings.Cut(complaint.String(), "\n")
			if want := ".conf:4: "; !strings.Contains(first, want) || !strings.Contains(first, c.complaint) {
				t.Errorf("it says %q", first)
			}
		})
	}
}

func TestLibraryThatIsNone(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "/dev/null")
	cmd := clientOf(t, k, m, "init")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if signal, status := ended(t, cmd); signal == 0 && status != 2 {
		t.Errorf("signal %d, status %d", signal, status)
	}
	if !strings.HasPrefix(complaint.String(), "p11fault: /dev/null") {
		t.Errorf("it says %.100q", complaint.String())
	}
}
