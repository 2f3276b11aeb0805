package main

import (
	"strings"
	"testing"
)

// Without the HSM it is said who can open the settings, and that the file fits.
func TestRecoveryStatusAndDoctor(t *testing.T) {
	s := newLostScene(t)
	s.must(s.initArgs()...)
	for name, row := range map[string]struct {
		spoil        func()
		file, doctor string
	}{
		"as it is": {nil, "of the present save", "ok    recovery      any 2 of 3 custodians"},
		"missing":  {func() { s.removeData("recovery.age") }, "missing", "but data/recovery.age is missing"},
		"another":  {func() { s.edit("recovery.age", func(b []byte) []byte { return append(b, 'x') }) }, "damaged or not of this save", "is damaged or not of this save"},
		"a bit":    {func() { s.edit("recovery.age", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) }, "damaged or not of this save", "is damaged or not of this save"},
		"edited":   {func() { s.setSKS("recovery.shares", "2 of 4") }, "2 of 4", "says otherwise than the sealed settings"},
	} {
		pristine := newPristine(s.connector)
		if row.spoil != nil {
			row.spoil()
		}
		if got := s.must("recovery", "status"); !strings.Contains(got, row.file) {
			t.Errorf("%s:\n%s", name, got)
		}
		if got := s.must("status"); !strings.Contains(got, row.file) {
			t.Errorf("%s:\n%s", name, got)
		}
		if o := s.run("doctor"); o.code != 0 || !strings.Contains(o.stdout, row.doctor) {
			t.Errorf("%s: exit %d\n%s", name, o.code, o.stdout)
		}
		s.must("run", "--", "/bin/true") // the service starts whatever became of it
		pristine.restore()
	}
	s.setSKS("recovery.sha256", "x")
	s.wantFailure(28, "28", "recovery.sha256", "unseal")
}

// Where everything but the recovery file is lost, whoever looks is told of it.
func TestRecoveryFileAlone(t *testing.T) {
	for name, lost := range map[string][]string{
		"all else":       {"sks.properties", "instance.encp", "shared.encp"},
		"sks.properties": {"sks.properties"},
		"one of the two": {"shared.encp"},
	} {
		s := newLostScene(t)
		s.withIdentity()
		for _, file := range lost {
			s.removeData(file)
		}
		looks := [][]string{{"recovery", "status"}, {"status"}, {"doctor"}, {"run", "--", "/bin/true"}}
		for _, args := range looks {
			o := s.run(args...)
			if o.code != 11 && o.code != 12 || !strings.Contains(o.stdout+o.stderr, "ssovault recovery open") || strings.Contains(o.stdout, "nobody can") {
				t.Errorf("%s is lost: %v: exit %d\n%s%s", name, args, o.code, o.stdout, o.stderr)
			}
		}
		s.edit("recovery.age", func([]byte) []byte { return []byte("garbage") })
		for _, args := range looks {
			if o := s.run(args...); strings.Contains(o.stdout+o.stderr, "brings the settings back") || strings.Contains(o.stdout, "whoever") {
				t.Errorf("%s is lost and the recovery file is none: %v\n%s%s", name, args, o.stdout, o.stderr)
			}
		}
	}
}
