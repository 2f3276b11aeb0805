package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// What fails once a save holds leaves the change made, and every command that
// saves says so: to give it again would be another save, or another key.
func TestFailuresOfASaveThatHolds(t *testing.T) {
	c := newConnector(t)
	sysfault := p11test.Sysfault(t)
	c.configure()
	pristine := newPristine(c)
	for _, command := range []struct {
		args []string
		made func() bool
	}{
		{[]string{"set", "admin_port=9999"}, func() bool { return c.must("get", "admin_port") == "9999\n" }},
		{[]string{"-disableSKS"}, func() bool { return strings.HasPrefix(state(c), "clear") }},
		{[]string{"rotate"}, func() bool { return strings.Contains(c.must("status"), "generation  2") }},
		{[]string{"-config", "--new-key", "-answers", c.in + "/answers"}, func() bool { return strings.Contains(c.must("status"), "generation  2") }},
		{[]string{"-config", "-disableSKS", "-answers", c.bring("clear", clearAnswers(c))}, func() bool { return strings.HasPrefix(state(c), "clear") }},
	} {
		for _, failure := range []string{"ENOSPC", "EIO"} {
			i := fileFault(sysfault, failure)
			if o := execute(t, i.wrap(c, 0, command.args)); o.code != 0 {
				t.Fatalf("%s: exit %d\n%s", command.args, o.code, o.stderr)
			}
			log, err := os.ReadFile(c.dir + "/calls")
			if err != nil {
				t.Fatal(err)
			}
			calls := strings.Split(strings.TrimSpace(string(log)), "\n")
			commit := slices.IndexFunc(calls, func(l string) bool {
				return strings.Contains(l, "rename") && strings.HasSuffix(l, "/.journal")
			})
			if commit < 0 {
				t.Fatalf("%s: no journal in\n%s", command.args, log)
			}
			said := 0
			for n := commit + 2; n <= len(calls); n++ { // they are counted from 1
				if !strings.Contains(calls[n-1], c.base+"/data") {
					continue
				}
				pristine.restore()
				o := execute(t, i.wrap(c, n, command.args))
				if !command.made() {
					t.Errorf("%s, %s at %q: it is not made", command.args, failure, calls[n-1])
				}
				if o.code == 0 {
					continue // nothing depended on that call
				}
				said++
				if o.code != 14 && failure == "ENOSPC" || o.code != 1 && failure == "EIO" || !strings.Contains(o.stderr, ": the change is made") ||
					!strings.Contains(o.stderr, "need not be given again") || strings.Contains(o.stderr, "nothing was lost") {
					t.Errorf("%s, %s at %q: exit %d\n%s", command.args, failure, calls[n-1], o.code, o.stderr)
				}
			}
			if said < 4 {
				t.Errorf("%s, %s: only %d calls were tried after\n%s", command.args, failure, said, calls[commit])
			}
			pristine.restore()
		}
	}
}

// clearAnswers are the answers without what is about the token.
func clearAnswers(c *connector) []byte {
	before, _, _ := strings.Cut(c.answers(), "sks=y")
	return []byte(before)
}
