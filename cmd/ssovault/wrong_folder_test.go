package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// In a folder that is none of ours no command leaves anything behind, and where
// it looked is said; in data/ itself, where to go.
func TestWrongFolder(t *testing.T) {
	c := newConnector(t)
	c.configure()
	empty, foreign := filepath.Join(c.dir, "empty"), filepath.Join(c.dir, "foreign")
	for _, dir := range []string{empty, foreign, foreign + "/data", foreign + "/logs", foreign + "/run"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(foreign+"/data/x.sql", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	listed := func(dir string) string {
		t.Helper()
		var names []string
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			names = append(names, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(names, "\n")
	}
	for _, row := range []struct{ base, says, hint string }{
		{empty, "no configuration in " + empty, "--base"},
		{foreign, foreign + "/data holds no configuration", "--base"},
		{c.data(""), "no configuration in " + filepath.Clean(c.data("")), "a data folder itself: go to the install folder above it, or name that one with --base " + c.base},
	} {
		row.base = filepath.Clean(row.base)
		before := listed(row.base)
		for _, args := range [][]string{
			{"get", "x"}, {"show"}, {"unseal"}, {"export"}, {"run", "--", "/bin/true"}, {"status"}, {"doctor"}, {"backup"},
			{"set", "x=y"}, {"-disableSKS"}, {"rotate"},
		} {
			cmd := c.command(args...)
			cmd.Env, cmd.Dir = append(cmd.Env, "SSOVAULT_BASE="), row.base
			o := execute(t, cmd)
			if o.code != 11 || !strings.Contains(o.stderr, row.says) || !strings.Contains(o.stderr, row.hint) {
				t.Errorf("%s in %s: exit %d\n%s", args, row.base, o.code, o.stderr)
			}
			if after := listed(row.base); after != before {
				t.Fatalf("%s in %s left:\n%s", args, row.base, after)
			}
		}
	}
	// What was an install folder stays one: its log tells of the failure.
	if err := os.RemoveAll(c.data("")); err != nil {
		t.Fatal(err)
	}
	c.wantFailure(11, "b", c.base, "run", "--", "/bin/true")
	if _, err := os.Stat(filepath.Join(c.base, "run", "last-failure.json")); err != nil {
		t.Error(err)
	}
}
