package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/vault"
)

func set(t *testing.T, pairs ...string) *properties.Set {
	t.Helper()
	s := new(properties.Set)
	for i := 0; i < len(pairs); i += 2 {
		if err := s.Set(pairs[i], pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestVariables(t *testing.T) {
	env, err := Variables(set(t, "sso_domain", "a=b", "x.y-z", "é\n"), set(t, "ü1", ""))
	want := []string{"SSOVAULT_P_SSO_DOMAIN=a=b", "SSOVAULT_P_X_Y_Z=é\n", "SSOVAULT_P__1="}
	if err != nil || !slices.Equal(env, want) {
		t.Errorf("%q, %v", env, err)
	}
	most := maxEnv - len("SSOVAULT_P_A=") - 1
	for name, c := range map[string]struct {
		set  *properties.Set
		want string
	}{
		"collision": {set(t, "a.b", "1", "a-b", "2"), `"a.b" and "a-b"`},
		"NUL":       {set(t, "a", "x\x00y"), `"a" holds a NUL`},
		"too long":  {set(t, "a", strings.Repeat("x", most+1)), `"a" is longer`},
	} {
		if _, err := Variables(c.set); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Variables(set(t, "a", strings.Repeat("x", most))); err != nil {
		t.Errorf("the longest: %v", err)
	}
}

func TestWithEnv(t *testing.T) {
	env := []string{"A=1", "B=2", "A=3", "AA=4"}
	if got := WithEnv(env, []string{"A=5", "C=6"}); !slices.Equal(got, []string{"B=2", "AA=4", "A=5", "C=6"}) {
		t.Errorf("%q", got)
	}
	if !slices.Equal(env, []string{"A=1", "B=2", "A=3", "AA=4"}) {
		t.Error("the original was changed")
	}
}

func TestMemoryFile(t *testing.T) {
	fd, err := memoryFile("test", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
		t.Errorf("closed on exec: %v, %v", flags, err)
	}
	for name, call := range map[string]func() error{
		"write":  func() error { _, err := unix.Write(fd, []byte("x")); return err },
		"shrink": func() error { return unix.Ftruncate(fd, 1) },
		"grow":   func() error { return unix.Ftruncate(fd, 100) },
	} {
		if err := call(); err != unix.EPERM {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := make([]byte, 10)
	if n, err := unix.Read(fd, b); err != nil || string(b[:n]) != "content" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fault.Cause{"no-such-command": fault.CommandNotFound, dir + "/none": fault.CommandNotFound, plain: fault.CommandNotRunnable} {
		if _, err := Find([]string{name}); fault.Of(err) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if path, err := Find([]string{"sh"}); err != nil || !filepath.IsAbs(path) {
		t.Errorf("%s, %v", path, err)
	}
}

// Folders that nobody holds are cleared away, held ones and others' are not.
func TestFolder(t *testing.T) {
	a, err := NewScratch()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewScratch() // a start beside it
	if err != nil {
		t.Fatal(err)
	}
	first := a.Path
	if _, err := os.Stat(first); err != nil {
		t.Errorf("a held folder was cleared away: %v", err)
	}
	left := filepath.Join(filepath.Dir(first), folderPrefix+"left")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(left)
	sweepFolders(filepath.Dir(first))
	if _, err := os.Stat(left); err != nil {
		t.Error("a folder that is being made was cleared away")
	}
	if err := os.WriteFile(filepath.Join(left, aliveFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sweepFolders(filepath.Dir(first))
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Error("a folder that nobody holds is still there")
	}
	for _, s := range []*Scratch{a, b} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Path); !os.IsNotExist(err) {
			t.Errorf("%s is still there", s.Path)
		}
	}
}

func TestRunning(t *testing.T) {
	base := t.TempDir()
	l := vault.Layout{Base: base}
	if err := os.Mkdir(l.Run(""), 0o700); err != nil {
		t.Fatal(err)
	}
	path := l.Running()
	if running, err := l.ServiceRuns(); running || err != nil {
		t.Errorf("no file: %v, %v", running, err)
	}
	fd, err := HoldRunning(path)
	if err != nil {
		t.Fatal(err)
	}
	if running, err := l.ServiceRuns(); !running || err != nil {
		t.Errorf("held: %v, %v", running, err)
	}
	unix.Close(fd)
	if running, err := l.ServiceRuns(); running || err != nil {
		t.Errorf("left: %v, %v", running, err)
	}
	alone, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = unix.Flock(int(alone.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if _, err := HoldRunning(path); fault.Of(err) != fault.Busy {
		t.Errorf("while somebody restores: %v", err)
	}
}
