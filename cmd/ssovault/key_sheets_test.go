package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// A folder in which others could exchange the sheets is refused before anything
// is made; one that they can only look into is warned of.
func TestSheetsInOpenFolders(t *testing.T) {
	s := newTwoTokens(t)
	before := s.second.Snapshot(t)
	for mode, code := range map[os.FileMode]int{0o777: 30, 0o770: 30, 0o772: 30, 0o777 | os.ModeSticky: 0, 0o755: 0, 0o700: 0} {
		dir := s.emptyFolder("sheets")
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		o := s.there("components", "K", "--count", "2", "--sheet-dir", dir)
		text := "chmod go-w " + dir
		if code == 0 {
			text = "is open to others"
		}
		if o.code != code || strings.Contains(o.stderr, text) != (mode != 0o700) {
			t.Errorf("%v: exit %d\n%s", mode, o.code, o.stderr)
		}
		if code == 0 {
			s.well(s.there("delete", "K", "--yes"))
			continue
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 || s.second.Snapshot(t) != before {
			t.Errorf("%v: %v, %v", mode, entries, err)
		}
	}
}

// Whatever stops key components, its folder holds no half of a sheet, and none
// under another name; what failed, and was not killed, leaves none at all.
func TestSheetsAreWholeOrNotThere(t *testing.T) {
	s := newTwoTokens(t)
	sysfault, log := p11test.Sysfault(t), filepath.Join(s.dir, "calls")
	before := s.second.Snapshot(t)
	run := func(n int, action string) (dir string, o outcome) {
		t.Helper()
		dir = s.emptyFolder("sheets")
		plain := s.command("key", "components", "K", "--token", s.second.Serial, "--pin-source", s.pin, "--count", "2", "--sheet-dir", dir)
		argv := []string{"-o", log, "-p", dir}
		if n > 0 {
			argv = append(argv, "-n", strconv.Itoa(n), "-a", action)
		}
		cmd := exec.Command(sysfault, append(append(argv, "--"), plain.Args...)...)
		cmd.Env, cmd.Dir = plain.Env, plain.Dir
		return dir, execute(t, cmd)
	}
	names := []string{"K-component-1-of-2.svg", "K-component-1-of-2.txt", "K-component-2-of-2.svg", "K-component-2-of-2.txt"}
	look := func(point, dir string) (there int) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			ending := map[string]string{".txt": "Compare the KCV at the end.\n", ".svg": "</svg>\n"}[filepath.Ext(e.Name())]
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			info, statErr := e.Info()
			switch {
			case err != nil || statErr != nil:
				t.Fatal(err, statErr)
			case ending == "" || !strings.Contains(strings.Join(names, " "), e.Name()):
				t.Errorf("%s: left behind: %s", point, e.Name())
			case !strings.HasSuffix(string(b), ending) || info.Mode().Perm() != 0o600:
				t.Errorf("%s: %s has %d bytes, mode %v", point, e.Name(), len(b), info.Mode())
			}
		}
		return len(entries)
	}
	dir, o := run(0, "")
	s.well(o)
	calls, err := os.ReadFile(log)
	n := strings.Count(string(calls), "\n")
	if err != nil || n < 17 || look("no fault", dir) != len(names) {
		t.Fatalf("%d calls, %v\n%s", n, err, calls)
	}
	s.ends(s.there("components", "K2", "--count", "2", "--sheet-dir", dir), 0, "written")
	s.ends(s.there("delete", "K2", "--yes"), 0, "deleted")
	s.ends(s.there("delete", "K", "--yes"), 0, "deleted")
	s.ends(s.there("components", "K", "--count", "2", "--sheet-dir", dir), 2, "is never overwritten")
	for _, action := range []string{"kill", "ENOSPC", "EIO", "short+"} {
		for at := 1; at <= n; at++ {
			point := action + " at call " + strconv.Itoa(at)
			dir, o := run(at, action)
			left := look(point, dir)
			if o.code == 0 && left == len(names) { // a short write is gone on with
				s.ends(s.there("delete", "K", "--yes"), 0, "deleted")
				continue
			}
			if now := s.second.Snapshot(t); now != before {
				t.Fatalf("%s: exit %d: a key was stored\n%s", point, o.code, o.stderr)
			}
			if o.code != 128+9 && left != 0 {
				t.Errorf("%s: exit %d, %d sheets are left\n%s", point, o.code, left, o.stderr)
			}
		}
	}
}
