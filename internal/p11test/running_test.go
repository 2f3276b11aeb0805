package p11test

import (
	"bufio"
	"encoding/hex"
	"io"
	"math/bits"
	"os/exec"
	"strings"
	"testing"
)

// running is a client whose pace the test sets.
type running struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func startClient(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
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
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return &running{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
}

// until reads lines up to want.
func (r *running) until(want string) {
	r.t.Helper()
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			r.t.Fatalf("before %q: %v", want, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == want {
			return
		}
		if name, _, _ := strings.Cut(want, " "); strings.HasPrefix(line, name+" ") {
			r.t.Fatalf("%q instead of %q", line, want)
		}
	}
}

// proceed lets a client that waits go on.
func (r *running) proceed() {
	r.t.Helper()
	if _, err := io.WriteString(r.in, "\n"); err != nil {
		r.t.Fatal(err)
	}
}

// differentBits compares two values in hex.
func differentBits(t testing.TB, a, b string) int {
	t.Helper()
	x, err := hex.DecodeString(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := hex.DecodeString(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(x) != len(y) || len(x) == 0 {
		t.Fatalf("%d and %d bytes", len(x), len(y))
	}
	n := 0
	for i := range x {
		n += bits.OnesCount8(x[i] ^ y[i])
	}
	return n
}
