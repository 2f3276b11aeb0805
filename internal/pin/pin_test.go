package pin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

func TestParseSource(t *testing.T) {
	for _, good := range []string{"file", "file:/etc/x y", "credential:hsm.pin", "command:pass show hsm", "env:HSM_PIN", "fd:3", "fd:0", "prompt"} {
		s, err := ParseSource(good)
		if err != nil || s.String() != good {
			t.Errorf("%q: %q, %v", good, s, err)
		}
		if s.StolenDisk() == "" {
			t.Errorf("%q: nothing said of a stolen disk", good)
		}
	}
	for _, bad := range []string{"", "file:", "credential:", "credential:a/b", "credential:..", "command:", "command: ", "env:", "env:A=B", "env:A B",
		"fd:", "fd:x", "fd:-1", "fd:03", "prompt:x", "1234", "pin:1234", "File", "file:a\nb", "env:\x00"} {
		if _, err := ParseSource(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, mistaken := range []string{"8765-4321", "8765-4321:x", "x\n8765-4321"} {
		if _, err := ParseSource(mistaken); err == nil || strings.Contains(err.Error(), "8765") {
			t.Errorf("a PIN in the place of its source: %v", err)
		}
	}
}

func FuzzParseSource(f *testing.F) {
	for _, s := range []string{"file", "file:/x", "command:a b", "fd:3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if src, err := ParseSource(s); err == nil && src.String() != s {
			t.Fatalf("%q became %q", s, src)
		}
	})
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env := map[string]string{"HSM_PIN": "from env", "EMPTY": "", "CREDENTIALS_DIRECTORY": dir}
	r := Reader{
		File: file("sks.pin", "default\n", 0o600), UID: os.Geteuid(),
		LookupEnv: func(n string) (string, bool) { v, ok := env[n]; return v, ok },
		Prompt: func(_ context.Context, q string) (secret.Value, error) {
			return secret.New([]byte("answer to " + q)), nil
		},
	}
	file("cred", "from systemd", 0o400)
	pipeR, pipeW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(pipeW, "from fd\n")
	pipeW.Close()
	dup := func() int { // Read closes what it was given
		fd, err := dupFD(pipeR)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("sks.pin", link); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]string{
		"file": "default", "file:" + file("crlf", "a b\r\n", 0o400): "a b", "file:" + file("two", "a\n\n", 0o600): "a\n",
		"credential:cred": "from systemd", "command:printf from\\040command\\n": "from command", "env:HSM_PIN": "from env",
		fmt.Sprintf("fd:%d", dup()): "from fd", "prompt": "answer to q",
		"file:" + file("long", strings.Repeat("x", maxSize), 0o600): strings.Repeat("x", maxSize),
	} {
		s, err := ParseSource(source)
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.Read(context.Background(), s, "q")
		if err != nil || string(v.Bytes()) != want {
			t.Errorf("%s: %q, %v", source, v.Bytes(), err)
		}
	}
	for source, want := range map[string]fault.Cause{
		"file:" + dir + "/none": fault.PINUnavailable, "file:" + file("empty", "", 0o600): fault.PINUnavailable,
		"file:" + file("newline", "\n", 0o600): fault.PINUnavailable, "file:" + file("open", "x", 0o640): fault.NotPermitted,
		"file:" + link: fault.NotPermitted, "file:" + dir: fault.NotPermitted, "file:/dev/zero": fault.NotPermitted,
		"file:" + file("toolong", strings.Repeat("x", maxSize+3), 0o600): fault.PINUnavailable,
		"credential:none": fault.PINUnavailable, "env:NONE": fault.PINUnavailable, "env:EMPTY": fault.PINUnavailable,
		"fd:999": fault.PINUnavailable, "command:false": fault.PINUnavailable, "command:true": fault.PINUnavailable,
		"command:/no/such/command": fault.PINUnavailable, "command:yes": fault.PINUnavailable,
	} {
		s, err := ParseSource(source)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := r.Read(context.Background(), s, "q"); fault.Of(err) != want || v.Len() != 0 {
			t.Errorf("%s: cause %v (%v); want %v", source, fault.Of(err), err, want)
		}
	}
	if os.Geteuid() == 0 {
		stranger := file("stranger", "x", 0o600)
		if err := os.Chown(stranger, 54321, 54321); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(context.Background(), Source{KindFile, stranger}, "q"); fault.Of(err) != fault.NotPermitted {
			t.Errorf("somebody else's file: %v", err)
		}
	}
	r.Prompt = nil
	if _, err := r.Read(context.Background(), Source{Kind: KindPrompt}, "q"); fault.Of(err) != fault.PINUnavailable {
		t.Errorf("nobody to ask: %v", err)
	}
	env["CREDENTIALS_DIRECTORY"] = ""
	if _, err := r.Read(context.Background(), Source{KindCredential, "cred"}, "q"); err == nil || !strings.Contains(err.Error(), "LoadCredential") {
		t.Errorf("no systemd: %v", err)
	}
	// A command that hangs is ended by the context.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Read(ctx, Source{KindCommand, "sleep 60"}, "q"); err == nil {
		t.Error("a command ran on")
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "pin")
	if err := os.WriteFile(source, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := Reader{}
	s := Source{KindFile, source}
	m := Refusals{Path: filepath.Join(dir, "pin-refused"), Beside: filepath.Join(dir, "beside")}
	if err := m.Check("serial", "user", r.Identity(s)); err != nil {
		t.Error(err)
	}
	if err := m.Record(Refusal{Token: "serial", Role: "user", Source: s.String(), Identity: r.Identity(s), Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := m.Check("serial", "user", r.Identity(s)); fault.Of(err) != fault.PINRefused {
		t.Errorf("remembered: %v", err)
	}
	if err := errors.Join(m.Check("other", "user", r.Identity(s)), m.Check("serial", "cu", r.Identity(s))); err != nil {
		t.Errorf("another token or role: %v", err)
	}
	if err := os.WriteFile(source, []byte("right"), 0o600); err != nil { // the same size, in place
		t.Fatal(err)
	}
	if err := m.Check("serial", "user", r.Identity(s)); err != nil {
		t.Errorf("the source has changed: %v", err)
	}
	// A refusal of another source does not arm this one again.
	if err := os.WriteFile(source, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, f := range []Refusal{{Token: "serial", Role: "user", Source: s.String(), Identity: r.Identity(s)}, {Token: "serial", Role: "user", Source: "env:X", Identity: "env:X"}} {
		if err := m.Record(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Check("serial", "user", r.Identity(s)); fault.Of(err) != fault.PINRefused {
		t.Errorf("another source was refused since: %v", err)
	}
	if m.Explain("serial", "user") {
		t.Error("three refusals count as one")
	}
	// A disk that takes nothing: it is remembered beside.
	full := Refusals{Path: filepath.Join(dir, "no", "folder", "pin-refused"), Beside: filepath.Join(dir, "beside")}
	if err := full.Record(Refusal{Token: "other", Role: "user", Identity: "x"}); err != nil {
		t.Error(err)
	}
	if err := full.Check("other", "user", "x"); fault.Of(err) != fault.PINRefused {
		t.Errorf("beside: %v", err)
	}
	if err := full.Forget("other", "user"); err != nil {
		t.Error(err)
	}
	// A login that works says nothing about another token.
	if err := m.Record(Refusal{Token: "other", Role: "user", Source: "env:X", Identity: "env:X"}); err != nil {
		t.Fatal(err)
	}
	if err := m.Forget("serial", "user"); err != nil {
		t.Error(err)
	}
	if err := m.Check("serial", "user", r.Identity(s)); err != nil {
		t.Errorf("forgotten: %v", err)
	}
	if err := m.Check("other", "user", "env:X"); fault.Of(err) != fault.PINRefused {
		t.Errorf("of another token: %v", err)
	}
	if err := os.WriteFile(m.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := m.Check("serial", "user", "x"); fault.Of(err) != fault.PINRefused {
		t.Errorf("an unreadable memory: %v", err)
	}
	if err := errors.Join(m.Forget("serial", "user"), m.Forget("serial", "user"), m.Check("serial", "user", "x")); err != nil {
		t.Error(err)
	}
	if a, b := r.Identity(Source{KindEnv, "A"}), r.Identity(Source{KindEnv, "B"}); a == b {
		t.Error("two variables are one source")
	}
}

// TestHide runs itself with a secret variable, and looks for it in the
// environment that others can see.
func TestHide(t *testing.T) {
	if os.Getenv("HIDE") == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestHide$")
		cmd.Env = append(os.Environ(), "HIDE=1", "HSM_PIN=canary=1\n2", "OTHER_PIN=canary2")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	h, err := TakeHidden()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Hide("HSM_PIN"); err != nil { // first pass: does not return
		t.Fatal(err)
	}
	if err := h.Hide("HSM_PIN", "OTHER_PIN"); err != nil { // second pass
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/self/environ")
	if err != nil || strings.Contains(string(b), "canary") || strings.Contains(string(b), hiddenFD+"=0") {
		t.Errorf("the environment shows it: %v", err)
	}
	one, _ := h.Lookup("HSM_PIN")
	two, _ := h.Lookup("OTHER_PIN")
	if one != "canary=1\n2" || two != "canary2" {
		t.Errorf("%q, %q", one, two)
	}
	if v, ok := h.Lookup("HIDE"); !ok || v != "1" {
		t.Error("other variables are gone")
	}
	t.Setenv(hiddenFD, "x")
	if _, err := TakeHidden(); err == nil {
		t.Error("nonsense was taken for a descriptor")
	}
}

// dupFD gives a second descriptor of f.
func dupFD(f *os.File) (int, error) { return syscall.Dup(int(f.Fd())) }

// Each role's refusals explain its own flags, and a login as one role says
// nothing of another's PIN.
func TestRefusalsOfRoles(t *testing.T) {
	m := Refusals{Path: filepath.Join(t.TempDir(), "pin-refused")}
	refuse := func(role, source string) {
		t.Helper()
		if err := m.Record(Refusal{Token: "serial", Role: role, Source: source, Identity: source}); err != nil {
			t.Fatal(err)
		}
	}
	explains := func(want bool, roles ...string) {
		t.Helper()
		if got := m.Explain("serial", roles...); got != want {
			t.Errorf("%v: %t", roles, got)
		}
	}
	explains(false, "user")
	refuse("so", "env:A")
	explains(false, "user")
	explains(true, "so")
	refuse("user", "env:B")
	explains(true, "user")
	explains(true, "so")
	explains(true, "user", "cu")
	refuse("so", "env:A")
	explains(false, "so")
	explains(true, "user")
	if err := m.Forget("serial", "user"); err != nil {
		t.Fatal(err)
	}
	explains(false, "user")
	if err := m.Check("serial", "so", "env:A"); fault.Of(err) != fault.PINRefused {
		t.Errorf("the user's login made the security officer's PIN right: %v", err)
	}
	if err := errors.Join(m.Forget("serial", "so"), m.Check("serial", "so", "env:A")); err != nil {
		t.Error(err)
	}
}
