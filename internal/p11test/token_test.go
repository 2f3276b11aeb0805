package p11test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotShowsEveryChange(t *testing.T) {
	k := Token(t)
	if s := k.Snapshot(t); s != "" {
		t.Errorf("a fresh token holds %q", s)
	}
	seen := map[string]string{"": "nothing"}
	for _, step := range []string{"import", "data 1", "data 2", "generate"} {
		clientAnswers(t, k, nil, ops(step)...)
		s := k.Snapshot(t)
		if before, ok := seen[s]; ok {
			t.Errorf("%s looks like %s", step, before)
		}
		seen[s] = step
		if diff := cmp.Diff(s, k.Snapshot(t)); diff != "" {
			t.Errorf("%s: two snapshots differ: %s", step, diff)
		}
	}
	s := k.Snapshot(t)
	for _, want := range []string{"secret-key \"sealing\" id=0102 aes bytes=32 private", "data \"generation\"", "sensitive", "encrypt decrypt"} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is not in\n%s", want, s)
		}
	}
	if strings.Count(s, "\n") != 4 {
		t.Errorf("four objects are shown as\n%s", s)
	}
}

func TestTokensInOneFolderAreApart(t *testing.T) {
	one := Token(t)
	two := one.Again(t, one.Label)
	three := one.Again(t, "third")
	if one.Serial == two.Serial || one.Slot == two.Slot || two.Label != one.Label || three.Label != "third" {
		t.Errorf("%+v\n%+v\n%+v", one, two, three)
	}
	clientAnswers(t, two, nil, ops("import")...)
	if one.Snapshot(t) != "" || three.Snapshot(t) != "" || two.Snapshot(t) == "" {
		t.Error("the key is not where it was made")
	}
	clientAnswers(t, one, nil, ops("generate")...)
	if one.Snapshot(t) == "" {
		t.Error("nothing was made in the first token")
	}
}

func TestFoldersAreApart(t *testing.T) {
	one := Token(t)
	two := Token(t)
	clientAnswers(t, two, nil, ops("import")...)
	if one.Snapshot(t) != "" || two.Snapshot(t) == "" {
		t.Error("the key is not where it was made")
	}
}

// A script sees the token by nothing but the written file.
func TestWriteConf(t *testing.T) {
	k := Token(t)
	conf := filepath.Join(t.TempDir(), "own.conf")
	k.WriteConf(t, conf)
	cmd := exec.Command("softhsm2-util", "--show-slots")
	cmd.Env = []string{"SOFTHSM2_CONF=" + conf, "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), k.Serial) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestModuleFolderIsPrivate(t *testing.T) {
	k := Token(t)
	m := Faulty(t, k.Library)
	m.Plan("log")
	clientAnswers(t, k, m, start...)
	m.Vanish()
	for path, want := range map[string]os.FileMode{
		filepath.Dir(m.Path): 0o700, m.Path: 0o700, m.Path + ".conf": 0o600,
		m.Path + ".count": 0o600, m.Path + ".log": 0o600, m.Path + ".gone": 0o600,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o", filepath.Base(path), got)
		}
	}
}
