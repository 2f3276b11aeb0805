package helper_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

const parentArgument = "__parent"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case helper.Argument:
			helper.Main()
		case parentArgument:
			parent(os.Args[2:])
		}
	}
	goleak.VerifyTestMain(m)
}

// parent logs in, says so, looks for a key and then waits to be killed. Its
// arguments are library and serial; the PIN is a line on standard input.
func parent(args []string) {
	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	ctx := context.Background()
	s, _, err := new(helper.Client).Dial(ctx, sks.Access{Library: args[0], Serial: args[1]}, secret.New([]byte(in.Text())))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = s.Key(ctx, sks.NewKeyID())
	in.Scan()
	os.Exit(0)
}

func access(k p11test.Tok, m *p11test.Module) sks.Access {
	return sks.Access{Library: m.Path, Serial: k.Serial, Label: k.Label, Role: sks.RoleUser}
}

func dial(t *testing.T, a sks.Access, pin string) (sks.Store, error) {
	t.Helper()
	s, _, err := new(helper.Client).Dial(t.Context(), a, secret.New([]byte(pin)))
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

func newKey() sks.NewKey {
	return sks.NewKey{ID: sks.NewKeyID(), Label: "SSO Vault Properties 000000000001"}
}

func wantUnreachable(t *testing.T, err error) {
	t.Helper()
	if err == nil || fault.Of(err) != fault.Unreachable {
		t.Fatalf("%v (cause %v), want Unreachable", err, fault.Of(err))
	}
}
