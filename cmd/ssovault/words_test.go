package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks/helper"
)

// Whatever command has an argument too few or too many says so in the words of its
// usage line, and repeats nothing: it may be a PIN.
func TestArgumentsAreNamed(t *testing.T) {
	all := map[string]*cobra.Command{}
	var look func(*cobra.Command)
	look = func(c *cobra.Command) {
		if !c.HasSubCommands() || c.Name() == "backup" { // the others name the command that is not there
			all[strings.TrimPrefix(c.CommandPath(), "ssovault ")] = c
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(newApp(pin.Hidden{}, &helper.Client{}).rootCommand())
	many := slices.Repeat([]string{"8765-4321"}, 9)
	for name, c := range all {
		for _, args := range [][]string{nil, many[:1], many} {
			if err := c.ValidateArgs(args); err != nil && (fault.Of(err) != fault.Usage || strings.Contains(err.Error(), "arg(s)") || strings.Contains(err.Error(), "8765")) {
				t.Errorf("%s with %d: %v", name, len(args), err)
			}
		}
	}
	for _, row := range []struct {
		name, says string
		args       []string
	}{
		{"restore", "restore: FILE is missing", nil},
		{"import", "import: FILE or - is missing", nil},
		{"support", "support: FILE.tar.gz is missing", nil},
		{"run", "run: CMD is missing", nil},
		{"set", "set: KEY=VALUE is missing", nil},
		{"hsm compare", "compare: TOKEN2 is missing", many[:1]},
		{"key import", "import: FILE is missing", nil},
		{"backup verify", "verify: 2 arguments are too many", many[:2]},
		{"backup", "backup: 9 arguments are too many", many},
		{"accept", "accept takes flags only", many[:1]},
	} {
		c := all[row.name]
		err := c.Args(c, row.args)
		if err == nil || err.Error() != row.says || !strings.Contains(fault.HintFor(err), "ssovault "+row.name) {
			t.Errorf("%s: %v (%s)", row.name, err, fault.HintFor(err))
		}
	}
}

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
