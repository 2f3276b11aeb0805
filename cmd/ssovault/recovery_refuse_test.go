package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecoveryInitRefuses(t *testing.T) {
	s := newLostScene(t)
	there := s.bring("there", []byte("x"))
	link := filepath.Join(s.dir, "link")
	if err := os.Symlink(s.base, link); err != nil {
		t.Fatal(err)
	}
	before := s.tree()
	for _, row := range []struct {
		says string
		args []string
	}{
		{"one of --recipient and --generate", nil},
		{"one of --recipient and --generate", []string{"--generate", "--recipient", "age1x"}},
		{"not one age recipient", []string{"--recipient", "age1x"}},
		{"that is a secret key", []string{"--recipient", "AGE-SECRET-KEY-1XYZ"}},
		{"needs -o FILE", []string{"--generate"}},
		{"say how many", []string{"--generate", "--share-dir", s.out}},
		{"for --generate", []string{"--recipient", "age1x", "--shares", "3"}},
		{"--shares 3 without --threshold", []string{"--generate", "--shares", "3", "--share-dir", s.out}},
		{"--threshold 2 without --shares", []string{"--generate", "--threshold", "2", "--share-dir", s.out}},
		{"threshold is at least 2", []string{"--generate", "--shares", "3", "--threshold", "1", "--share-dir", s.out}},
		{"could never come together", []string{"--generate", "--shares", "2", "--threshold", "3", "--share-dir", s.out}},
		{"no terminal", []string{"--generate", "--shares", "3", "--threshold", "2"}},
		{"shares take --share-dir", []string{"--generate", "--shares", "3", "--threshold", "2", "-o", s.out + "/x"}},
		{"inside the install folder", []string{"--generate", "-o", s.base + "/id"}},
		{"inside the install folder", []string{"--generate", "-o", link + "/data/id"}},
		{"inside the install folder", []string{"--generate", "--shares", "3", "--threshold", "2", "--share-dir", link}},
		{"there is no folder", []string{"--generate", "-o", s.out + "/none/id"}},
		{"never overwritten", []string{"--generate", "-o", there}},
	} {
		o := s.run(append([]string{"recovery", "init"}, row.args...)...)
		if o.code != 2 || !strings.Contains(o.stderr, row.says) || strings.Contains(o.stderr, "KEY-1XYZ") {
			t.Errorf("%v: exit %d, want 2 and %q\n%s", row.args, o.code, row.says, o.stderr)
		}
	}
	if diff := cmp.Diff(before, s.tree()); diff != "" {
		t.Error(diff)
	}
	if left, _ := filepath.Glob(s.out + "/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s.withIdentity()
	if o := s.run("recovery", "init", "--generate", "-o", s.out+"/id"); o.code != 2 || !strings.Contains(o.stderr, "--yes") {
		t.Errorf("a second init unasked: exit %d\n%s", o.code, o.stderr)
	}
}

// What was done to the recovery file, or to what lies beside it.
func TestRecoveryOpenRefuses(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	identity, err := os.ReadFile(s.in + "/identity.txt")
	if err != nil {
		t.Fatal(err)
	}
	bare := s.bring("bare.txt", []byte(string(identity)[strings.Index(string(identity), "AGE-"):]))
	signer := strings.TrimSpace(strings.SplitN(afterText(t, string(identity), "# ssovault signer: "), "\n", 2)[0])
	old := s.bring("old.age", []byte(readData(t, s.connector, "recovery.age")))
	s.must("set", "admin_port=9999")

	other := newLostScene(t)
	other.withIdentity()
	theirs := s.bring("theirs.age", []byte(readData(t, other.connector, "recovery.age")))
	pristine := newPristine(s.connector)
	for name, row := range map[string]struct {
		spoil func()
		flags []string
		exit  int
		says  string
	}{
		"as it is":               {nil, s.first, 0, ""},
		"bare, with signer":      {nil, []string{"--identity", bare, "--signer", strings.ToLower(signer)}, 0, ""},
		"bare, without":          {nil, []string{"--identity", bare}, 2, "--signer"},
		"another signer":         {nil, []string{"--identity", bare, "--signer", strings.Replace(signer, signer[:4], "AAAA", 1)}, 26, "not by AAAA"},
		"no signer":              {nil, []string{"--identity", bare, "--signer", "x"}, 2, "--signer"},
		"no identity":            {nil, []string{"--identity", s.in + "/idp.xml"}, 2, "no age identity file"},
		"another identity":       {nil, []string{"--identity", other.in + "/identity.txt"}, 2, "does not open"},
		"both":                   {nil, append(byShares("x"), s.first...), 2, "--identity FILE, or --share"},
		"an older one":           {nil, append([]string{"--file", old}, s.first...), 0, "are newer (generation 3"},
		"another instance's":     {nil, []string{"--file", theirs, "--identity", other.in + "/identity.txt"}, 25, "this folder is of"},
		"and forced":             {nil, []string{"--force", "--file", theirs, "--identity", other.in + "/identity.txt"}, 26, "is not the file that was configured"},
		"missing":                {func() { s.removeData("recovery.age") }, s.first, 12, "is missing"},
		"cut short":              {func() { s.edit("recovery.age", func(b []byte) []byte { return b[:len(b)-1] }) }, s.first, 26, "damaged"},
		"a flipped bit":          {func() { s.edit("recovery.age", func(b []byte) []byte { b[len(b)-9] ^= 4; return b }) }, s.first, 26, "damaged"},
		"not an age file":        {func() { s.edit("recovery.age", func([]byte) []byte { return []byte("x") }) }, s.first, 28, "no age file"},
		"other metadata":         {func() { s.edit("idp_metadata.xml", func(b []byte) []byte { return append(b, ' ') }) }, s.first, 26, "idp_metadata.xml"},
		"no metadata":            {func() { s.removeData("idp_metadata.xml") }, s.first, 0, "idp_metadata.xml is missing"},
		"sealed files gone":      {func() { s.removeData("instance.encp"); s.removeData("shared.encp") }, s.first, 0, ""},
		"sealed files damaged":   {func() { s.edit("shared.encp", func(b []byte) []byte { return b[:99] }) }, s.first, 0, ""},
		"data/ gone, file named": {s.wipeData, append([]string{"--file", old}, s.first...), 0, "is missing"},
	} {
		pristine.restore()
		if row.spoil != nil {
			row.spoil()
		}
		before := s.dataTreeIfThere()
		o := s.opens(row.flags...)
		if o.code != row.exit || !strings.Contains(o.stderr, row.says) {
			t.Errorf("%s: exit %d, want %d and %q\n%s", name, o.code, row.exit, row.says, o.stderr)
		}
		if diff := cmp.Diff(before, s.dataTreeIfThere()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	pristine.restore()
	for _, row := range []struct {
		says string
		args []string
	}{
		{"nobody is there to be asked", []string{"--token", "fresh"}},
		{"there is no terminal to ask on", []string{"--token", "fresh", "--library", s.module.Path, "--yes"}},
		{"a slot number, a label or a serial number is needed", []string{"--library", s.module.Path, "--to-pin-source", "prompt", "--yes"}},
		{"the library sees", []string{"--token", "none", "--library", s.module.Path, "--to-pin-source", "prompt", "--yes"}},
		{"is not an absolute path", []string{"--token", "fresh", "--library", "none.so", "--to-pin-source", "prompt", "--yes"}},
		{"give an absolute path", []string{"--token", "fresh", "--to-pin-source", "file:pin", "--yes"}},
		{"a source is", []string{"--token", "fresh", "--to-pin-source", "pin", "--yes"}},
		{"--role cu needs --service-pin-source", []string{"--token", "fresh", "--role", "cu", "--yes"}},
		{"makes no key", []string{"--token", "fresh", "--in-the-clear", "--yes"}},
		{"--to-pin-source", []string{"--token", "fresh", "--pin-source", "prompt", "--yes"}},
	} {
		o := s.run(append(append([]string{"recovery", "open"}, row.args...), s.first...)...)
		if o.code != 2 || !strings.Contains(o.stderr, row.says) {
			t.Errorf("%v: exit %d, want 2 and %q\n%s", row.args, o.code, row.says, o.stderr)
		}
	}
	// A PIN that is refused costs one try, and nothing is changed.
	before := s.dataTree()
	wrong := s.bring("wrong.pin", []byte("00000000\n"))
	o := s.run(append([]string{"recovery", "open", "--token", "fresh", "--library", s.module.Path, "--to-pin-source", "file:" + wrong, "--yes"}, s.first...)...)
	if o.code != 20 || !maps.Equal(before, s.dataTree()) {
		t.Errorf("a wrong PIN: exit %d\n%s", o.code, o.stderr)
	}
}

// readData gives a file of data/.
func readData(t *testing.T, c *connector, name string) string {
	t.Helper()
	b, err := os.ReadFile(c.data(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dataTreeIfThere is dataTree, or nothing.
func (c *connector) dataTreeIfThere() map[string]string {
	if _, err := os.Stat(c.data("")); err != nil {
		return nil
	}
	return c.dataTree()
}
