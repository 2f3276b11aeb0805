package main

import (
	"strings"
	"testing"
)

// Where the HSM itself is lost (a), whoever looks is told of the recovery file, if
// there is one.
func TestALostHSMPointsToTheRecoveryFile(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	archive := s.backup()
	s.deleteToken(s.token)
	library := s.module.Path
	const way = "; or where the HSM is gone for good, bring the settings back from data/recovery.age with 'ssovault recovery open'"
	looks := [][]string{{"unseal"}, {"run", "--", "/bin/true"}, {"doctor"}, {"set", "admin_port=1"}, {"backup", "drill", archive}, {"restore", "--dry-run", "--must-open", archive}}
	check := func(what string, told bool) {
		t.Helper()
		for _, args := range looks {
			o := s.run(args...)
			if o.code != 10 || strings.Contains(o.stderr, way) != told || !strings.Contains(o.stderr, "hint: ") {
				t.Errorf("%s: %v: exit %d\n%s%s", what, args, o.code, o.stdout, o.stderr)
			}
		}
	}
	check("the token is gone", true)
	s.setSKS("sks.library", s.in+"/none.so")
	check("the library is gone", true)
	s.setSKS("sks.library", library)
	s.edit("recovery.age", func([]byte) []byte { return []byte("garbage") })
	check("the recovery file is none", false)
	s.removeData("recovery.age")
	check("there is no recovery file", false)
}
