package main

import (
	"slices"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"-config", "config"},
		{"--config", "config"},
		{"config", "config"},
		{"-config -disableSKS", "config --disable-sks"},
		{"-disableSKS -config", "config --disable-sks"},
		{"-disableSKS", "disable-sks"},
		{"--disableSKS", "disable-sks"},
		{"--base /x -disableSKS", "disable-sks --base /x"},
		{"--base -config -disableSKS", "disable-sks --base -config"},
		{"-answers f", "config --answers f"},
		{"-config -answers f --new-key", "config --answers f --new-key"},
		{"--answers=f", "config --answers f"},
		{"-initialize acme -sso_connect_host h -sso_ssl_port 1", "config --initialize acme --sso_connect_host h --sso_ssl_port 1"},
		{"-initialize acme -ssl_file=f", "config --initialize acme --ssl_file f"},
		{"-initialize acme -sso_domain -config", "config --initialize acme --sso_domain -config"},
		{"-initialize acme -disableSKS", "config --initialize acme --disable-sks"},
		{"config -answers f", "config --answers f"},
		{"--base /x config -disableSKS", "--base /x config --disable-sks"},
		{"-initialize acme -nosuch 1", "config --initialize acme -nosuch 1"},
		{"--try-pin --base=/x -config", "config --try-pin --base=/x"},
		// Not ours to translate.
		{"run -- prog -config", "run -- prog -config"},
		{"run prog -config -disableSKS", "run prog -config -disableSKS"},
		{"set x=-config", "set x=-config"},
		{"--base /x run -- -config", "--base /x run -- -config"},
		{"status --json", "status --json"},
		{"-config=x", "-config=x"},
		{"-disableSKS=x", "-disableSKS=x"},
		{"-Config", "-Config"},
		{"-- -config", "-- -config"},
	} {
		if got := translate(strings.Fields(c.in)); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%q became %q, want %q", c.in, strings.Join(got, " "), c.want)
		}
	}
}

// What is refused before a command starts is 2, and leaves nothing in a log.
func TestUsage(t *testing.T) {
	c := newConnector(t)
	for _, args := range [][]string{
		{"frob"}, {"--frob"}, {"-config=x"}, {"run"}, {"run", "--frob", "--", "x"}, {"get"}, {"get", "a", "b"}, {"status", "x"},
		{"--lock-wait", "x", "status"}, {"inspect"}, {"-config", "x"}, {"-=x"}, {"-é"}, {"-disableSKS=false"}, {"unseal", "--format", "xml"}, {"unseal", "--file", "x"},
	} {
		o := c.run(args...)
		if o.code != 2 || !strings.Contains(o.stderr, "ssovault: hint: ") || strings.Contains(o.stderr, "{") || strings.Contains(o.stderr, "ssovault: ssovault") {
			t.Errorf("%q: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	if files := c.tree(); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}

// A flag that is not known is named as it was given, but for what may be a secret;
// a word that would hold one says how it is given.
func TestUnknownFlags(t *testing.T) {
	c := newConnector(t)
	for _, row := range []struct {
		args         []string
		says, hidden string
	}{
		{[]string{"-initialize", "acme", "-key_store_password", canaryPassword}, "the command line: key_store_password would hold a secret", canaryPassword},
		{[]string{"-initialize", "acme", "-key_store_password=" + canaryPassword}, "key_store_password_source=file:PATH", canaryPassword},
		{[]string{"-initialize", "acme", "--sks_password", canaryPassword}, "sks_password_source=file:PATH", canaryPassword},
		{[]string{"-initialize", "acme", "-foo", "bar"}, "unknown flag -foo\n", "bar"},
		{[]string{"-initialize", "acme", "--foo", "bar"}, "unknown flag: --foo\n", "bar"},
		{[]string{"config", "-host", "h"}, "unknown flag -host\n", "-ost"},
		{[]string{"status", "-json"}, "unknown flag -json; --json is one", "-j\n"},
		{[]string{"status", "-p1234"}, "unknown flag -p\n", "1234"},
		{[]string{"-config=x"}, "-config takes no value", "unknown"},
	} {
		o := c.run(row.args...)
		if o.code != 2 || !strings.Contains(o.stderr, row.says) || strings.Contains(o.stderr, row.hidden) {
			t.Errorf("%q: exit %d\n%s", row.args, o.code, o.stderr)
		}
	}
}
