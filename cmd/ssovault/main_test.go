package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary a ssovault too, for scripts, and clears away
// the real program where a test built it.
func TestMain(m *testing.M) {
	testscript.Main(cleaning{m}, map[string]func(){"ssovault": main})
}

type cleaning struct{ m *testing.M }

func (c cleaning) Run() int {
	defer func() { os.RemoveAll(builtIn) }()
	return c.m.Run()
}

var (
	buildOnce sync.Once
	builtIn   string
	buildErr  error
)

// program is the path of ssovault as it is shipped: without the race detector,
// whose shadow memory and exit delays are not what is tested here.
func program(t testing.TB) string {
	t.Helper()
	buildOnce.Do(func() {
		if builtIn, buildErr = os.MkdirTemp("", "ssovault-built-"); buildErr != nil {
			return
		}
		// Another user runs it too.
		if buildErr = os.Chmod(builtIn, 0o755); buildErr != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(builtIn, "ssovault"), ".")
		if out, err := cmd.CombinedOutput(); err != nil {
			buildErr = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return filepath.Join(builtIn, "ssovault")
}

// outcome is what a run of a program came to.
type outcome struct {
	stdout, stderr string
	code           int
}

// execute runs a program to its end. Code 128+n: signal n ended it.
func execute(t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("%s: %v", cmd, err)
	}
	code := cmd.ProcessState.ExitCode()
	if code < 0 {
		code = 128 + int(waitSignal(cmd))
	}
	return outcome{stdout.String(), stderr.String(), code}
}
