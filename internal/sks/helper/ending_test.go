package helper_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
)

// short are the deadlines of tests in which a library hangs.
var short = sks.Timeouts{Question: 300 * time.Millisecond, Use: 300 * time.Millisecond, Make: 300 * time.Millisecond}

func TestWhateverTheLibraryDoesIsUnreachable(t *testing.T) {
	for name, c := range map[string]struct {
		plan     string
		timeouts sks.Timeouts
		says     string
	}{
		"hang":        {"on C_FindObjectsInit * hang", short, "did not answer within 300ms"},
		"crash":       {"on C_FindObjectsInit * crash", sks.Timeouts{}, "crashed (segmentation fault)"},
		"exit":        {"on C_FindObjectsInit * exit 3", sks.Timeouts{}, "ended the process with status 3"},
		"exit as if":  {"on C_FindObjectsInit * exit 0", sks.Timeouts{}, "ended the process with status 0"},
		"vanish":      {"on C_FindObjectsInit * vanish", sks.Timeouts{}, "CKR_"},
		"lose":        {"on C_FindObjectsInit * lose-sessions", sks.Timeouts{}, "CKR_SESSION_HANDLE_INVALID"},
		"own mistake": {"this is no plan", sks.Timeouts{}, "crashed (aborted)"},
	} {
		t.Run(name, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			a := access(k, m)
			a.Timeouts = c.timeouts
			a.Timeouts.Use = 0 // the login itself may take its time
			s, err := dial(t, a, k.PIN)
			if err != nil {
				t.Fatal(err)
			}
			m.Plan(c.plan)
			_, err = s.Key(t.Context(), sks.NewKeyID())
			wantUnreachable(t, err)
			if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "look for") {
				t.Errorf("%q does not say %q and what was done", err, c.says)
			}
			if strings.Contains(c.says, "CKR") {
				return
			}
			m.Plan()
			begun := time.Now()
			_, again := s.Key(t.Context(), sks.NewKeyID())
			wantUnreachable(t, again)
			if took := time.Since(begun); took > 100*time.Millisecond || !strings.Contains(again.Error(), "the helper process is gone") {
				t.Errorf("after %v: %v", took, again)
			}
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			// A new helper is the way back.
			if _, err := dial(t, access(k, m), k.PIN); err != nil {
				t.Errorf("dial again: %v", err)
			}
		})
	}
}

func TestLoginsThatFail(t *testing.T) {
	for plan, says := range map[string]string{
		"on C_Login 1 hang":       "did not answer within",
		"on C_Login 1 crash":      "crashed (segmentation fault)",
		"on C_Login 1 exit 7":     "ended the process with status 7",
		"on C_Initialize 1 crash": "crashed (segmentation fault)",
		"on C_Finalize 1 hang":    "did not answer within",
	} {
		k, m := p11test.Token(t), p11test.Faulty(t, "")
		m.Plan(plan)
		a := access(k, m)
		a.Timeouts = sks.Timeouts{Use: time.Second}
		_, err := dial(t, a, k.PIN)
		wantUnreachable(t, err)
		if !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "log in") {
			t.Errorf("%s: %q does not say %q and what was done", plan, err, says)
		}
	}
}

func TestDeadlinesAreByClass(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	a := access(k, m)
	a.Timeouts = sks.Timeouts{Question: 200 * time.Millisecond}
	s, err := dial(t, a, k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	m.Plan("on C_GenerateKey 1 sleep-ms 400", "on C_EncryptInit 1 sleep-ms 400")
	key, err := s.Create(t.Context(), newKey())
	if err != nil {
		t.Fatalf("making a key may take longer than a question: %v", err)
	}
	m.Reset()
	if _, err := key.Seal(t.Context(), []byte("text"), nil); err != nil {
		t.Fatalf("sealing may take longer than a question: %v", err)
	}
	m.Plan("on C_FindObjectsInit * sleep-ms 400")
	_, err = s.Key(t.Context(), key.Info().ID)
	wantUnreachable(t, err)
}

func TestCancelledContext(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	s, err := dial(t, access(k, m), k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	m.Plan("on C_FindObjectsInit * hang")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = s.Key(ctx, sks.NewKeyID())
	wantUnreachable(t, err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v does not tell that the context ended", err)
	}
}

// A descriptor that this program was started with is not the library's.
func TestInheritedDescriptors(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	file, err := os.CreateTemp(t.TempDir(), "inherited")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.Dup(int(file.Fd())) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	m.Plan("log")
	if _, err := dial(t, access(k, m), k.PIN); err != nil {
		t.Fatal(err)
	}
	pid := strings.Fields(m.Log()[0])[0]
	open, err := filepath.Glob("/proc/" + pid + "/fd/*")
	if err != nil || len(open) == 0 {
		t.Fatal(open, err)
	}
	for _, path := range open {
		if to, err := os.Readlink(path); err == nil && to == file.Name() {
			t.Errorf("the helper holds %s", to)
		}
	}
}

// A call that is under way comes to its end, whoever gives up or is told to
// end: SoftHSM leaves an empty token behind where it is cut off.
func TestACallIsNotCutOff(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	m.Plan("log", "on C_FindObjectsInit 1 sleep-ms 500")
	s, err := dial(t, access(k, m), k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.Fields(m.Log()[0])[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		waitFor(t, func() bool { return m.CallsOf("C_FindObjectsInit") > 0 })
		for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT} {
			if err := unix.Kill(pid, sig); err != nil {
				t.Error(err)
			}
		}
		cancel()
	}()
	if _, err = s.Key(ctx, sks.NewKeyID()); fault.Of(err) != fault.Interrupted {
		t.Errorf("%v, want Interrupted", err)
	}
	log := strings.Join(m.Log(), "\n")
	if !strings.Contains(log, "C_FindObjectsInit 0x0") {
		t.Errorf("the call was cut off:\n%s", log)
	}
	if unix.Kill(pid, 0) == nil {
		t.Error("the helper is still there")
	}
}

func TestCloseOfALibraryThatHangs(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	a := access(k, m)
	a.Timeouts = sks.Timeouts{Question: 300 * time.Millisecond}
	s, err := dial(t, a, k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	m.Plan("on C_Finalize * hang")
	wantUnreachable(t, s.Close())
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func TestGarbageOnTheOutputsDisturbsNothing(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	m.Plan("on * * garbage 70000")
	s, err := dial(t, access(k, m), k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), newKey()); err != nil {
		t.Fatal(err)
	}
}

func TestHelperEndsWithItsParent(t *testing.T) {
	for name, plan := range map[string]string{
		"while it waits":           "log",
		"while the library hangs":  "on C_FindObjectsInit * hang",
		"while the library sleeps": "on C_FindObjectsInit * sleep-ms 3600000",
	} {
		t.Run(name, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			m.Plan("log", plan)
			if plan == "log" {
				m.Plan("log")
			}
			cmd := exec.Command("/proc/self/exe", parentArgument, m.Path, k.Serial)
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := in.Write([]byte(k.PIN + "\n")); err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 64)
			if n, err := out.Read(line); err != nil || string(line[:n]) != "ready\n" {
				t.Fatalf("%q, %v", line[:n], err)
			}
			waitFor(t, func() bool { return m.CallsOf("C_FindObjectsInit") > 0 })
			pid, err := strconv.Atoi(strings.Fields(m.Log()[0])[0])
			if err != nil {
				t.Fatal(err)
			}
			end, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				t.Fatalf("the helper %d: %v", pid, err)
			}
			defer unix.Close(end)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if !ends(t, end) {
				_ = unix.PidfdSendSignal(end, unix.SIGKILL, nil, 0)
				t.Error("the helper outlived its parent")
			}
		})
	}
}

// ends waits for a process of another parent.
func ends(t *testing.T, pidfd int) bool {
	t.Helper()
	const atMost = 10_000 // ms
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, atMost)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	}
}

// waitFor looks every few milliseconds: a library has no way to tell.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("waited in vain")
		}
	}
}
