package p11_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

// The tests reach the package as the program does, through helper processes,
// which are this test binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == helper.Argument {
		helper.Main()
	}
	if len(os.Args) > 1 && os.Args[1] == startArgument {
		if err := starts(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// whole is a Store with all its powers.
type whole interface {
	sks.Store
	sks.Rememberer
	sks.Keeper
}

func access(k p11test.Tok, library string) sks.Access {
	return sks.Access{Library: library, Serial: k.Serial, Label: k.Label, Role: sks.RoleUser, Serialise: true}
}

func dial(t *testing.T, a sks.Access, pin string) (whole, sks.Token, error) {
	t.Helper()
	s, token, err := new(helper.Client).Dial(t.Context(), a, secret.New([]byte(pin)))
	if err != nil {
		return nil, token, err
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(whole), token, nil
}

// open logs in to a token behind a library, or ends the test.
func open(t *testing.T, k p11test.Tok, library string) whole {
	t.Helper()
	s, _, err := dial(t, access(k, library), k.PIN)
	if err != nil {
		t.Fatalf("log in: %v", err)
	}
	return s
}

func newKey() sks.NewKey {
	return sks.NewKey{ID: sks.NewKeyID(), Label: "SSO Vault Properties 000000000001"}
}

// create makes a key, or ends the test.
func create(t *testing.T, s sks.Store) sks.Key {
	t.Helper()
	key, err := s.Create(t.Context(), newKey())
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return key
}

func seal(t *testing.T, key sks.Key, text string) (sks.IVConvention, []byte) {
	t.Helper()
	iv, err := key.Convention(t.Context())
	if err != nil {
		t.Fatalf("convention: %v", err)
	}
	box, err := key.Seal(t.Context(), []byte(text), nil)
	if err != nil {
		t.Fatalf("seal: %v", err)
	}
	return iv, box
}

func wantCause(t *testing.T, err error, want fault.Cause) {
	t.Helper()
	if err == nil || fault.Of(err) != want {
		t.Fatalf("%v (cause %v), want cause %v", err, fault.Of(err), want)
	}
}

// tool runs pkcs11-tool on a token, logged in, as another program of the same
// user would.
func tool(t *testing.T, k p11test.Tok, args ...string) {
	t.Helper()
	full := append([]string{"--module", k.Library, "--token-label", k.Label, "--login", "--pin", k.PIN}, args...)
	if out, err := exec.Command("pkcs11-tool", full...).CombinedOutput(); err != nil {
		t.Fatalf("pkcs11-tool (package opensc) %v: %v\n%s", args, err, out)
	}
}
