package p11_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

func TestWhyALibraryDoesNotLoad(t *testing.T) {
	dir := t.TempDir()
	build := func(name, code string, args ...string) string {
		t.Helper()
		path, source := filepath.Join(dir, name), filepath.Join(dir, name+".c")
		if err := os.WriteFile(source, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("gcc", append([]string{"-shared", "-fPIC", "-o", path, source}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
		return path
	}
	write := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const empty = "int nothing(void) { return 0; }\n"
	plain := build("plain.so", empty)
	build("libneeded.so", empty)
	needing := build("needing.so", "int nothing(void); int more(void) { return nothing(); }\n", "-L"+dir, "-lneeded")
	if err := os.Remove(filepath.Join(dir, "libneeded.so")); err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	const machine = 18                    // e_machine of the ELF header
	code[machine], code[machine+1] = 2, 0 // SPARC
	foreign := write("foreign.so", code)

	for name, c := range map[string]struct {
		path, says string
		want       fault.Cause
	}{
		"missing":              {filepath.Join(dir, "none.so"), "there is no PKCS#11 library at", fault.Unreachable},
		"not a library":        {write("text.so", []byte("text")), "it is no shared library", fault.Unreachable},
		"another architecture": {foreign, "another architecture", fault.Unreachable},
		"needs another":        {needing, "libneeded.so", fault.Unreachable},
		"not PKCS#11":          {plain, "no C_GetFunctionList", fault.Unreachable},
		"not absolute":         {"libsofthsm2.so", "absolute", fault.NotPermitted},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := new(helper.Client).Tokens(t.Context(), c.path, sks.Timeouts{})
			wantCause(t, err, c.want)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
			_, _, err = dial(t, sks.Access{Library: c.path, Label: "none"}, "1234")
			wantCause(t, err, c.want)
		})
	}
}
