package p11_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

const (
	startArgument = "__starts"
	parallel      = 16
	startsEach    = 25
)

// starts is a process that starts the service some times over: log in, find the
// key, open, leave. Its arguments are library, serial, key id and the number;
// the PIN is its standard input.
func starts(args []string) error {
	pin := make([]byte, 64)
	n, err := os.Stdin.Read(pin)
	if err != nil {
		return err
	}
	id, err := sks.ParseKeyID(args[2])
	if err != nil {
		return err
	}
	times, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	for i := range times {
		if err := oneStart(args[0], args[1], id, secret.New([]byte(string(pin[:n])))); err != nil {
			return fmt.Errorf("start %d: %w", i, err)
		}
	}
	return nil
}

func oneStart(library, serial string, id sks.KeyID, pin secret.Value) error {
	ctx := context.Background()
	s, _, err := new(helper.Client).Dial(ctx, sks.Access{Library: library, Serial: serial, Label: "none", Serialise: true}, pin)
	if err != nil {
		return err
	}
	if _, err := s.Key(ctx, id); err != nil {
		_ = s.Close()
		return err
	}
	return s.Close()
}

func TestParallelStartsOnSoftHSM(t *testing.T) {
	k := p11test.Token(t)
	s := open(t, k, k.Library)
	id := create(t, s).Info().ID
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range parallel {
		pin, pinEnd, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe", startArgument, k.Library, k.Serial, id.String(), strconv.Itoa(startsEach))
		cmd.Stdin = pin
		all.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process %d: %v\n%s", i, err, out)
			}
		})
		if _, err := pinEnd.WriteString(k.PIN); err != nil {
			t.Error(err)
		}
		if err := pinEnd.Close(); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}
