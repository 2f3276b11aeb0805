package owner

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ssovault/internal/fault"
)

// other is a user that this test does not run as.
const other = 54321

func TestProtected(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "a", "b", "file")
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	me := os.Geteuid()
	if err := Protected(file, me); err != nil {
		t.Fatal(err)
	}
	mustNot := func(what, path string) {
		t.Helper()
		if err := Protected(path, me); fault.Of(err) != fault.NotPermitted {
			t.Errorf("%s: %v", what, err)
		}
	}
	mode := func(path string, m os.FileMode) func() {
		if err := os.Chmod(path, m); err != nil {
			t.Fatal(err)
		}
		return func() { os.Chmod(path, 0o755) }
	}
	for _, m := range []os.FileMode{0o775, 0o757, 0o777} {
		undo := mode(filepath.Dir(file), m)
		mustNot("a folder of mode "+m.String(), file)
		undo()
	}
	undo := mode(file, 0o666)
	mustNot("a file that others write", file)
	undo()

	sticky := filepath.Join(root, "sticky")
	if err := os.Mkdir(sticky, 0o700); err != nil {
		t.Fatal(err)
	}
	mode(sticky, 0o777|os.ModeSticky)
	below := filepath.Join(sticky, "mine")
	if err := os.WriteFile(below, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if me == 0 {
		if err := Protected(below, me); err != nil {
			t.Errorf("below a sticky folder of root: %v", err)
		}
	}
	mustNot("the sticky folder itself", sticky)
	mustNot("missing", filepath.Join(root, "none"))

	// Links are followed, and judged where they lead.
	link := filepath.Join(root, "link")
	if err := os.Symlink("a/b", link); err != nil {
		t.Fatal(err)
	}
	if err := Protected(filepath.Join(link, "file"), me); err != nil {
		t.Errorf("through a link: %v", err)
	}
	undo = mode(filepath.Join(root, "a"), 0o777)
	mustNot("a link into a folder that others write", filepath.Join(link, "file"))
	undo()
	if err := os.Symlink("loop", filepath.Join(root, "loop")); err != nil {
		t.Fatal(err)
	}
	mustNot("a link to itself", filepath.Join(root, "loop"))
	if me != 0 {
		return
	}
	if err := os.Chown(filepath.Dir(file), other, other); err != nil {
		t.Fatal(err)
	}
	mustNot("a folder of somebody else", file)
	if err := Protected(file, other); err != nil {
		t.Errorf("for its owner: %v", err)
	}
	if err := os.Lchown(link, other, other); err != nil {
		t.Fatal(err)
	}
	mustNot("a link of somebody else", filepath.Join(link, "file"))
}

// TestBecome runs itself as root on a stranger's folder.
func TestBecome(t *testing.T) {
	if want := os.Getenv("BECOME"); want != "" {
		if err := Become(Identity{other, other}); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() != other || os.Getegid() != other || os.Getuid() != other {
			t.Fatal("still somebody else")
		}
		if groups, _ := os.Getgroups(); len(groups) != 1 || groups[0] != other {
			t.Fatalf("groups %v", groups)
		}
		if err := Become(Identity{0, 0}); fault.Of(err) != fault.NotPermitted {
			t.Fatalf("back again: %v", err)
		}
		return
	}
	if os.Geteuid() != 0 {
		if err := Become(Identity{os.Geteuid() + 1, 0}); fault.Of(err) != fault.NotPermitted {
			t.Errorf("somebody else: %v", err)
		}
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestBecome$", "-test.v")
	cmd.Env = append(os.Environ(), "BECOME=1", "GOCOVERDIR=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestOf(t *testing.T) {
	base := filepath.Join(t.TempDir(), "base")
	if _, err := Of(base); fault.Of(err) != fault.NoConfiguration {
		t.Errorf("missing: %v", err)
	}
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	id, err := Of(base)
	if err != nil || id.UID != os.Geteuid() {
		t.Errorf("%v, %v", id, err)
	}
	if err := os.WriteFile(base+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Of(base + "/file"); fault.Of(err) != fault.NotPermitted {
		t.Errorf("a file: %v", err)
	}
}
