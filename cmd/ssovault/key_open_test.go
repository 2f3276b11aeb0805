package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Components are neither written to a file that others can read, nor read from
// one.
func TestComponentsInOpenFiles(t *testing.T) {
	s := newTwoTokens(t)
	run := func(in, out string, mode os.FileMode, args ...string) outcome {
		t.Helper()
		cmd := s.command(append(args, "--token", s.second.Serial, "--pin-source", s.pin)...)
		open := func(path string, flags int) *os.File {
			f, err := os.OpenFile(path, flags, 0o600)
			if err == nil {
				err = f.Chmod(mode)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			return f
		}
		if in != "" {
			cmd.Stdin = open(in, os.O_RDONLY)
		}
		if out == "" {
			return execute(t, cmd)
		}
		cmd.Stdout = open(out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
		var complaint strings.Builder
		cmd.Stderr = &complaint
		_ = cmd.Run() // its exit code tells
		return outcome{code: cmd.ProcessState.ExitCode(), stderr: complaint.String()}
	}
	before := s.second.Snapshot(t)
	lines := filepath.Join(s.dir, "kek")
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604} {
		s.ends(run("", lines, mode, "key", "components", "K", "--count", "2", "--attributes", "E"), 30, lines+" is open to others (mode ")
		if b, err := os.ReadFile(lines); err != nil || len(b) != 0 || s.second.Snapshot(t) != before {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
	}
	s.ends(run("", lines, 0o600, "key", "components", "K", "--count", "2", "--attributes", "E"), 0, "stored in the token second")
	kcv := strings.TrimSpace(s.well(s.there("kcv", "K")))
	s.ends(run("", "", 0, "key", "delete", "K", "--yes"), 0, "deleted")
	before = s.second.Snapshot(t)
	enter := []string{"key", "enter", "K", "--attributes", "E", "--kcv", kcv}
	s.ends(run(lines, "", 0o644, enter...), 30, lines+" is open to others (mode 0644)")
	b, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitAfter(string(b), "\n")
	one, two := s.bring("one.lines", []byte(parts[0]+parts[1])), s.bring("two.lines", []byte(parts[2]+parts[3]))
	if err := os.Chmod(two, 0o640); err != nil {
		t.Fatal(err)
	}
	s.ends(run("", "", 0, append(enter, "--component", one, "--component", two)...), 30, "hint: close it: chmod 600 "+two+"; ")
	link := filepath.Join(s.dir, "link")
	if err := os.Symlink(one, link); err != nil {
		t.Fatal(err)
	}
	s.ends(run("", "", 0, append(enter, "--component", link, "--component", one)...), 30, "hint: name the file itself")
	if s.second.Snapshot(t) != before {
		t.Error("a key was stored")
	}
	s.ends(run(lines, "", 0o600, enter...), 0, "stored in the token second")
}
