package helper_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/isolate"
	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
)

// impostor is a helper that is a shell script, and the library it was asked to
// load.
func impostor(t *testing.T, script string) (*helper.Client, string) {
	t.Helper()
	dir := t.TempDir()
	path, library := filepath.Join(dir, "helper"), filepath.Join(dir, "library.so")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return &helper.Client{Program: isolate.Program{Executable: path}}, library
}

func TestHelperThatSendsNonsense(t *testing.T) {
	// An answer without a failure, tokens, keys, an IV convention or a mark.
	const nothing = 1 + 1 + 8 + 1 + 8 + 8 + 8 + 2
	frame := func(head string) string {
		text := ""
		for _, b := range []byte(head) {
			text += fmt.Sprintf(`\%03o`, b)
		}
		return fmt.Sprintf(`printf '\000\000\000\%03o%s\000\000\000\000' >&3; exec cat <&3 >/dev/null`, len(head), text)
	}
	for name, c := range map[string]struct{ script, says string }{
		"noise":          {"printf 'noise, noise, noise' >&3; exec cat <&3 >/dev/null", "nonsense"},
		"a huge head":    {`printf '\377\377\377\377' >&3; exec cat <&3 >/dev/null`, "nonsense"},
		"a huge payload": {`printf '\000\000\000\002{}\001\001\000\000' >&3; exec cat <&3 >/dev/null`, "nonsense"},
		"too little":     {frame(strings.Repeat("\x00", nothing-1)), "nonsense"},
		"too much":       {frame(strings.Repeat("\x00", nothing+1)), "nonsense"},
		"no truth value": {frame("\x02" + strings.Repeat("\x00", nothing-1)), "nonsense"},
		"no token":       {frame(strings.Repeat("\x00", nothing)), "nonsense: no token"},
		"half a message": {`printf '\000\000' >&3; exit 5`, "ended the process with status 5"},
		"nothing":        {"exit 0", "ended the process with status 0"},
		"silence":        {"exec sleep 3600", "did not answer within 500ms"},
		"hanging up":     {"exec 3>&-; exec sleep 3600", "closed the helper's connection"},
		"killed":         {"kill -TERM $$", "crashed (terminated)"},
	} {
		t.Run(name, func(t *testing.T) {
			client, library := impostor(t, c.script)
			a := sks.Access{Library: library, Timeouts: sks.Timeouts{Use: 5 * time.Second}}
			if name == "silence" {
				a.Timeouts.Use = 500 * time.Millisecond
			}
			_, _, err := client.Dial(t.Context(), a, secret.New([]byte("1234")))
			wantUnreachable(t, err)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}

func TestHelperThatIsStartedEarly(t *testing.T) {
	client, library := impostor(t, `echo $$ >> "$0.starts"; head -c 1 <&3 >/dev/null`)
	starts := func() (pids []string) {
		t.Helper()
		b, err := os.ReadFile(client.Executable + ".starts")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Fields(string(b))
	}
	ask := func() {
		t.Helper()
		_, err := client.Tokens(t.Context(), library, sks.Timeouts{})
		wantUnreachable(t, err)
	}
	client.Early()
	client.Early()
	ask()
	if n := len(starts()); n != 1 {
		t.Fatalf("%d processes for one question", n)
	}
	ask()
	if n := len(starts()); n != 2 {
		t.Fatalf("%d processes for two questions", n)
	}
	// One that is not needed ends, at the latest with the Client.
	client.Early()
	client.Close()
	if _, err := client.Tokens(t.Context(), library+".none", sks.Timeouts{}); fault.Of(err) != fault.Unreachable {
		t.Fatal(err)
	}
	client.Early()
	if _, err := client.Tokens(t.Context(), library+".none", sks.Timeouts{}); fault.Of(err) != fault.Unreachable {
		t.Fatal(err)
	}
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		// A thread may have ended since.
		if children, err := os.ReadFile(task); err == nil && len(children) != 0 {
			t.Errorf("children %q are left", children)
		}
	}
}

func TestWhatAHelperInherits(t *testing.T) {
	client, library := impostor(t, `env | sort > "$0.env"; pwd > "$0.dir"; s=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo "$s" > "$0.std"; tr '\0' ' ' < /proc/$$/cmdline > "$0.argv"`)
	client.Env = func() []string {
		return []string{"PATH=" + os.Getenv("PATH"), "HOME=/home/x", "LC_ALL=C", "SOFTHSM2_CONF=/x", "ChrystokiConfigurationPath=/x",
			"LD_PRELOAD=", "SSOVAULT_PIN=1234", "PIN=1234", "ET_PTKC_GENERAL_LIBRARY_MODE=HA", "GODEBUG=", "PATHS=x", "HOMEX=x", "nonsense"}
	}
	if _, err := client.Tokens(t.Context(), library, sks.Timeouts{}); fault.Of(err) != fault.Unreachable {
		t.Fatal(err)
	}
	read := func(what string) string {
		t.Helper()
		b, err := os.ReadFile(client.Executable + what)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := "ChrystokiConfigurationPath=/x\nET_PTKC_GENERAL_LIBRARY_MODE=HA\nGLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:glibc.malloc.top_pad=1048576:glibc.malloc.tcache_count=127\nHOME=/home/x\nLC_ALL=C\nPATH=" + os.Getenv("PATH") + "\nPWD=/\nSOFTHSM2_CONF=/x\n"
	if diff := cmp.Diff(want, read(".env")); diff != "" {
		t.Errorf("environment (-want +got), PWD is the shell's:\n%s", diff)
	}
	if got := read(".dir"); got != "/\n" {
		t.Errorf("works in %q", got)
	}
	if got := read(".std"); got != strings.Repeat("/dev/null\n", 3) {
		t.Errorf("standard descriptors %q", got)
	}
	if got := read(".argv"); !strings.Contains(got, helper.Argument) {
		t.Errorf("called as %q", got)
	}
}

func TestLibraryThatOthersCouldChange(t *testing.T) {
	dir := t.TempDir()
	library := filepath.Join(dir, "library.so")
	if err := os.WriteFile(library, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(library, 0o666); err != nil {
		t.Fatal(err)
	}
	_, _, err := new(helper.Client).Dial(t.Context(), sks.Access{Library: library}, secret.New([]byte("1234")))
	if fault.Of(err) != fault.NotPermitted {
		t.Errorf("%v, want cause NotPermitted", err)
	}
}

func TestErrorsPassWhole(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	s, err := dial(t, access(k, m), k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.Create(t.Context(), newKey())
	if err != nil {
		t.Fatal(err)
	}
	iv, _ := key.Convention(t.Context())
	_, err = key.Open(t.Context(), iv, make([]byte, 100), nil)
	if code, ok := cryptoki.Code(err); !errors.Is(err, sks.ErrRefused) || !ok || code != cryptoki.GeneralError || fault.Of(err) != fault.Unclassified {
		t.Errorf("%v: code %#x", err, code)
	}
	m.Plan("on C_OpenSession * return 0x80000076", "on C_DecryptInit * return 0xA3", "refuse-objects data")
	_, err = key.Open(t.Context(), iv, make([]byte, 100), nil)
	if code, _ := cryptoki.Code(err); fault.Of(err) != fault.PINUnavailable || code != cryptoki.PINExpired || fault.HintFor(err) == fault.PINUnavailable.Hint() {
		t.Errorf("%v: code %#x, hint %q", err, code, fault.HintFor(err))
	}
	m.Plan("refuse-objects data")
	err = s.(sks.Rememberer).Remember(t.Context(), "1", sks.Mark{Generation: 1, SaveID: sks.NewKeyID().String()})
	if !errors.Is(err, sks.ErrCannotRemember) {
		t.Error(err)
	}
}

func TestTooLongForOneMessage(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	s, err := dial(t, access(k, m), k.PIN)
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.Create(t.Context(), newKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Seal(t.Context(), make([]byte, 17<<20), nil); fault.Of(err) != fault.Usage {
		t.Errorf("%v, want cause Usage", err)
	}
	if _, err := key.Seal(t.Context(), []byte("text"), nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestPINIsWiped(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	for _, library := range []string{m.Path, "/nowhere/library.so"} {
		pin := secret.New([]byte(k.PIN))
		a := access(k, m)
		a.Library = library
		s, _, err := new(helper.Client).Dial(t.Context(), a, pin)
		if err == nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !pin.Equal(secret.New(make([]byte, len(k.PIN)))) {
			t.Errorf("%s: the PIN was not wiped (%v)", library, err)
		}
	}
}
