package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A dry run and a drill, which log in anyway, say what a start from an older
// backup would say.
func TestADryRunForetellsTheRollback(t *testing.T) {
	c := newConnector(t)
	c.configure()
	archive := c.backup()
	c.must("set", "admin_port=9999")
	newest := c.backup()
	foretold := func(code int, wants []string, args ...string) {
		t.Helper()
		tree, objects := c.tree(), c.token.Snapshot(t)
		o := c.run(args...)
		for _, want := range wants {
			if o.code != code || !strings.Contains(o.stderr, want) {
				t.Errorf("%v: exit %d, want %d and %q\n%s", args, o.code, code, want, o.stderr)
			}
		}
		if len(wants) == 0 && (o.code != code || strings.Contains(o.stderr, "remembers") || strings.Contains(o.stderr, "would reach")) {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
		if diff := cmp.Diff(tree, c.tree()); diff != "" || objects != c.token.Snapshot(t) {
			t.Errorf("%v changed something:\n%s", args, diff)
		}
	}
	const older = "the files are generation 1, the HSM remembers 2: an older state was put back"
	dry := []string{"restore", "--dry-run", "--must-open"}
	foretold(0, []string{older, "'ssovault accept' makes it the newest"}, append(dry, archive)...)
	foretold(0, []string{older, "'ssovault accept' makes it the newest"}, "backup", "drill", archive)
	foretold(0, nil, append(dry, newest)...)
	foretold(0, nil, "backup", "drill", newest)

	c.setSKS("rollback", "refuse")
	foretold(27, []string{older, "cause (27)", "'ssovault accept'"}, append(dry, archive)...)
	foretold(0, []string{older, "(cause 27)", "'ssovault accept'"}, "restore", "--dry-run", archive)
	foretold(0, []string{older, "does not start (27) before 'ssovault accept'"}, "backup", "drill", archive)
	foretold(0, nil, append(dry, newest)...)
	foretold(0, nil, "backup", "drill", newest)
	foretold(0, []string{"rollback=refuse stays as it is here"}, append(dry, newest)...)
	if o := c.run("restore", "--must-open", archive); o.code != 27 {
		t.Errorf("what was foretold came to exit %d\n%s", o.code, o.stderr)
	}
}
