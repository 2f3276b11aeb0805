package p11test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ended runs cmd and tells how it ended: the signal, or 0 and the exit status.
func ended(t testing.TB, cmd *exec.Cmd) (syscall.Signal, int) {
	t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return status.Signal(), 0
	}
	return 0, status.ExitStatus()
}

func TestLibraryEndsTheProcess(t *testing.T) {
	for _, c := range []struct {
		rule   string
		signal syscall.Signal
		status int
	}{
		{"on C_Login 1 crash", syscall.SIGSEGV, 0},
		{"on C_Login 1 exit 3", 0, 3},
		{"on C_Login 2 crash", 0, 0},
	} {
		t.Run(c.rule, func(t *testing.T) {
			k := Token(t)
			m := Faulty(t, "")
			m.Plan("log", c.rule)
			signal, status := ended(t, clientOf(t, k, m, start...))
			if signal != c.signal || status != c.status {
				t.Errorf("signal %d, status %d", signal, status)
			}
			log := m.Log()
			want := "C_Login " + strings.Fields(c.rule)[3]
			if died := strings.HasSuffix(log[len(log)-1], want); died != (c.signal != 0 || c.status != 0) {
				t.Errorf("the log ends with %q", log[len(log)-1])
			}
		})
	}
}

// killed runs the operations as a grandchild and tells how its parent ended. It
// comes back when both are gone, since both hold the pipe.
func killed(t *testing.T, k Tok, m *Module, operations ...string) (syscall.Signal, int) {
	t.Helper()
	cmd := clientOf(t, k, m, operations...)
	cmd.Env = append(os.Environ(), role+"=parent", noRaceDelay)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	signal, status := ended(t, cmd)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if signal != 0 && strings.Contains(string(out), "the child ended") {
		t.Errorf("the parent saw its child end: %s", out)
	}
	return signal, status
}

func TestKillAtEveryCall(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	m.Plan("log")
	if signal, status := killed(t, k, m, start...); signal != 0 || status != 0 {
		t.Fatalf("without a fault: signal %d, status %d", signal, status)
	}
	all := m.Log()
	if len(all) < 7 {
		t.Fatalf("only %d calls", len(all))
	}
	for _, action := range []string{"kill", "kill-after"} {
		for n := 1; n <= len(all); n++ {
			m.Reset()
			m.Plan("log", fmt.Sprintf("on * %d %s", n, action))
			signal, _ := killed(t, k, m, start...)
			log := m.Log()
			name := strings.Fields(all[n-1])[2]
			if signal != syscall.SIGKILL || m.Calls() != n || !strings.HasSuffix(log[n-1], fmt.Sprintf(" %d %s %s", n, name, action)) {
				t.Errorf("%s at call %d: signal %d, %d calls, last %q", action, n, signal, m.Calls(), log[len(log)-1])
			}
		}
	}
}

func TestKillBeforeAndAfterTheCall(t *testing.T) {
	for action, keys := range map[string]int{"kill": 0, "kill-after": 1} {
		t.Run(action, func(t *testing.T) {
			k := Token(t)
			m := Faulty(t, "")
			m.Plan("on C_GenerateKey 1 " + action)
			if signal, status := killed(t, k, m, ops("generate")...); signal != syscall.SIGKILL {
				t.Errorf("signal %d, status %d", signal, status)
			}
			if got := strings.Count(k.Snapshot(t), "secret-key"); got != keys {
				t.Errorf("%d keys in the token, want %d", got, keys)
			}
		})
	}
}

// The byte of garbage shows that the call was reached; then nothing comes until
// the test ends it.
func TestHang(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	m.Plan("log", "on C_Login 1 garbage 1", "on C_Login 1 hang")
	cmd := clientOf(t, k, m, start...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	for !bytes.HasSuffix(shown.Bytes(), []byte("session 0x0\n\x0b")) {
		if _, err := io.CopyN(&shown, out, 1); err != nil {
			t.Fatalf("%q: %v", shown.Bytes(), err)
		}
	}
	rest := make(chan error, 1)
	go func() {
		_, err := io.CopyN(&shown, out, 1)
		rest <- err
	}()
	select {
	case err := <-rest:
		t.Fatalf("the call came back: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-rest; !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("ended by itself: %v", cmd.ProcessState)
	}
	if log := m.Log(); !strings.HasSuffix(log[len(log)-1], "C_Login hang") {
		t.Errorf("the log ends with %q", log[len(log)-1])
	}
}

func TestGarbageOnBothDescriptors(t *testing.T) {
	k := Token(t)
	m := Faulty(t, "")
	plain := strings.Join(clientAnswers(t, k, m, start...), "\n") + "\n"
	m.Reset()
	const n = 100_000 // more than a pipe holds
	m.Plan(fmt.Sprintf("on C_Login 1 garbage %d", n))
	cmd := clientOf(t, k, m, start...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if out.Len() != n+len(plain) || complaint.Len() != n {
		t.Errorf("%d bytes on stdout, %d on stderr", out.Len()-len(plain), complaint.Len())
	}
	if !bytes.HasSuffix(out.Bytes(), []byte("login 0x0\n")) {
		t.Error("the call did not go on")
	}
}

func TestDelays(t *testing.T) {
	for plan, least := range map[string]time.Duration{
		"on C_Login 1 sleep-ms 300": 300 * time.Millisecond,
		"delay-us 20000":            7 * 20 * time.Millisecond,
	} {
		k := Token(t)
		m := Faulty(t, "")
		m.Plan(plan)
		began := time.Now()
		clientAnswers(t, k, m, start...)
		if took := time.Since(began); took < least {
			t.Errorf("%s: %v", plan, took)
		}
		if m.Calls() < 7 {
			t.Errorf("%d calls", m.Calls())
		}
	}
}
