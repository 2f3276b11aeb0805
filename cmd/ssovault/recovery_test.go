package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newLostScene is a connector with a folder for shares and a second token.
func newLostScene(t *testing.T) *lostScene {
	t.Helper()
	s := &lostScene{connector: newConnector(t)}
	s.fresh = s.token.Again(t, "fresh")
	s.out = filepath.Join(s.dir, "out")
	if err := os.Mkdir(s.out, 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure()
	return s
}

// shares are the files that the last init wrote.
func (s *lostScene) shares() []string {
	s.t.Helper()
	set := afterText(s.t, s.must("recovery", "status", "--json"), `"set": "`)[:8]
	files, _ := filepath.Glob(s.out + "/*-" + set + "-*")
	if len(files) != 3 {
		s.t.Fatalf("%v", files)
	}
	return files
}

// opens runs a dry run of recovery open without a token.
func (s *lostScene) opens(flags ...string) outcome {
	s.t.Helper()
	return s.run(append([]string{"recovery", "open", "--dry-run", "--in-the-clear"}, flags...)...)
}

func byShares(files ...string) (flags []string) {
	for _, f := range files {
		flags = append(flags, "--share", f)
	}
	return flags
}

// The whole way: the token is deleted, the service starts again with another.
func TestRecoveryAfterTheTokenIsGone(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	if o := s.with(canaryValue, "set", "--stdin", "vendor_secret"); o.code != 0 {
		t.Fatal(o.stderr)
	}
	settings := s.must("unseal")
	s.deleteToken(s.token)
	s.wantFailure(10, "a", "not found", "run", "--", "/bin/true")
	before := s.dataTree()
	if o := s.run("recovery", "open", "--dry-run", "--identity", s.in+"/identity.txt", "--token", "fresh", "--library", s.module.Path,
		"--to-pin-source", "file:"+s.in+"/token.pin"); o.code != 0 || !strings.Contains(o.stdout, "nothing was changed") {
		t.Errorf("dry run: exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if diff := cmp.Diff(before, s.dataTree()); diff != "" {
		t.Error(diff)
	}
	out := s.must(s.openArgs()...)
	if !strings.Contains(out, "generation 3, saved") || !strings.Contains(out, "sealed: generation 4,") || !strings.Contains(out, "kept: data.before-recovery-") {
		t.Error(out)
	}
	if got := s.must("unseal"); got != settings {
		t.Errorf("the settings are others:\n%s\n%s", settings, got)
	}
	if got := s.must("run", "--", "sh", "-c", `grep -h vendor_secret "$SSOVAULT_INSTANCE"`); !strings.Contains(got, canaryValue) {
		t.Error(got)
	}
	if o := s.run("doctor"); o.code != 0 || !strings.Contains(o.stdout, "ok    recovery      whoever holds the identity of age1") {
		t.Errorf("exit %d\n%s", o.code, o.stdout)
	}
	if status := s.must("status"); !strings.Contains(status, "data.before-recovery-") || !strings.Contains(status, "without the HSM; of the present save") {
		t.Error(status)
	}
	if objects := s.fresh.Snapshot(t); strings.Count(objects, "secret-key") != 1 || strings.Count(objects, "certificate") != 1 {
		t.Error(objects)
	}
	// And once more: the recovery goes on with the same identity.
	third := s.token.Again(t, "third")
	s.deleteToken(s.fresh)
	s.fresh = third
	s.must(s.openArgs()...)
	if got := s.must("unseal"); got != settings {
		t.Error("after the second loss the settings are others")
	}
	// Nothing of the identity was left on the server, and no secret in the log.
	for name, text := range s.tree() {
		if strings.Contains(text, "AGE-SECRET-KEY") || strings.Contains(text, canaryValue) {
			t.Errorf("%s holds a secret", name)
		}
	}
	log, err := os.ReadFile(filepath.Join(s.base, "logs", "ssovault.log"))
	if err != nil || strings.Contains(string(log), "AGE-SECRET") || strings.Contains(string(log), canaryValue) {
		t.Errorf("the log holds a secret: %v", err)
	}
}

func TestRecoveryByShares(t *testing.T) {
	s := newLostScene(t)
	s.must(s.initArgs()...)
	older := s.shares()
	s.must(s.initArgs()...)
	mine := s.shares()
	for _, path := range mine {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	change := func(path string, how func(string) string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := how(string(b))
		if text == string(b) {
			t.Fatal("nothing was changed")
		}
		return s.bring("changed-"+filepath.Base(path), []byte(text))
	}
	word := change(mine[1], func(text string) string { return strings.Replace(text, "2 of 3", "3 of 3", 1) })
	letter := change(mine[2], func(text string) string {
		at := strings.Index(text, "\n5  ") + 4
		return text[:at] + string('A'+(text[at]-'A'+1)%26) + text[at+1:]
	})
	text := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, row := range map[string]struct {
		flags []string
		stdin string
		exit  int
		says  []string
	}{
		"1 and 2":         {byShares(mine[0], mine[1]), "", 0, nil},
		"3 and 1":         {byShares(mine[2], mine[0]), "", 0, nil},
		"all":             {byShares(mine...), "", 0, nil},
		"piped":           {byShares("-"), text(mine[0]) + text(mine[2]), 0, nil},
		"file and pipe":   {byShares("-", mine[1]), text(mine[0]), 0, nil},
		"one":             {byShares(mine[1]), "", 2, []string{"2 of 3 shares are needed, 1 was given"}},
		"one twice":       {byShares(mine[1], mine[1]), "", 2, []string{"are the same share (2 of 3)"}},
		"another set's":   {byShares(mine[0], older[1]), "", 2, []string{mine[0], older[1]}},
		"an older set":    {byShares(older...), "", 2, []string{"this identity does not open the recovery file"}},
		"a changed word":  {byShares(mine[0], word), "", 26, []string{word, "its words"}},
		"a wrong letter":  {byShares(mine[0], letter), "", 26, []string{letter, "line 5"}},
		"no such file":    {byShares(mine[0], s.in+"/none"), "", 2, []string{s.in + "/none"}},
		"no share":        {byShares(mine[0], s.in+"/answers"), "", 28, []string{s.in + "/answers", "no share"}},
		"an end too soon": {byShares("-"), text(mine[0])[:420], 2, []string{"share 1 of standard input"}},
		"a slip":          {byShares("-"), text(letter), 2, []string{"share 1 of standard input", "line 5"}},
	} {
		cmd := s.command(append([]string{"recovery", "open", "--dry-run", "--in-the-clear"}, row.flags...)...)
		cmd.Stdin = strings.NewReader(row.stdin)
		o := execute(t, cmd)
		if o.code != row.exit {
			t.Errorf("%s: exit %d, want %d\n%s", name, o.code, row.exit, o.stderr)
		}
		for _, says := range row.says {
			if !strings.Contains(o.stderr, says) {
				t.Errorf("%s: it does not say %q:\n%s", name, says, o.stderr)
			}
		}
	}
}

// Whatever command makes a save, the recovery file is of that save, and what
// belongs to the recovery stays.
func TestRecoveryFollowsEverySave(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	s.bring("other.pem", tlsPEM(t, "other.example.com"))
	export := s.bring("export.json", []byte(s.must("export")))
	signer := afterText(t, s.must("recovery", "status", "--json"), `"signer": "`)[:64]
	for _, args := range [][]string{
		{"set", "admin_port=9001"},
		{"set", "ssl_file=" + s.in + "/other.pem"},
		{"set", "--stdin", "vendor_secret"},
		{"unset", "vendor_secret"},
		{"import", export},
		{"import", "--merge", export},
		{"-config", "-answers", s.in + "/answers"},
		{"-config", "--new-key", "-answers", s.in + "/answers"},
		{"-disableSKS"},
		{"set", "admin_port=9002"},
		{"-config", "-answers", s.in + "/answers"},
	} {
		if o := s.with("value", args...); o.code != 0 {
			t.Fatalf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
		status := s.must("recovery", "status", "--json")
		if !strings.Contains(status, signer) || !strings.Contains(status, `"current"`) && !strings.Contains(status, `"there"`) {
			t.Errorf("after %v:\n%s", args, status)
		}
		if o := s.opens(s.first...); o.code != 0 || o.stderr != "" && !strings.Contains(args[0], "-") {
			t.Errorf("after %v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	// What the recovery file holds are the settings as they are.
	settings := s.must("unseal")
	s.must(append([]string{"recovery", "open", "--in-the-clear", "--yes"}, s.first...)...)
	if got := s.must("unseal"); got != settings {
		t.Errorf("%s\n%s", settings, got)
	}
}

// Nothing but init and off changes a recovery, and the service does not see it.
func TestRecoveryBelongsToItself(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	before := s.dataTree()
	for _, key := range []string{"recovery_recipient", "recovery_shares", "recovery_signing_key"} {
		for _, args := range [][]string{{"set", "--stdin", key}, {"unset", key}} {
			if o := s.with("x", args...); o.code != 2 || !strings.Contains(o.stderr, key+" belongs to the recovery") {
				t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
			}
		}
	}
	editor := s.bring("editor", []byte("#!/bin/sh\nsed -i 's/^recovery_recipient=.*/recovery_recipient=x/' \"$1\"\n"))
	if err := os.Chmod(editor, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := s.command("edit")
	cmd.Env = append(cmd.Env, "VISUAL="+editor)
	if o := execute(t, cmd); o.code != 2 || !strings.Contains(o.stderr, "recovery_recipient belongs to the recovery") {
		t.Errorf("edit: exit %d\n%s", o.code, o.stderr)
	}
	foreign := s.bring("foreign.json", []byte(`{"recovery_recipient":"age1x","recovery_signing_key":"x","admin_port":"8080","private_port":"8443","instance_secret_key":"`+strings.Repeat("A", 43)+`="}`))
	s.must("import", "--merge", "--file", "instance", foreign)
	if o := s.opens(s.first...); o.code != 0 {
		t.Errorf("after an import: exit %d\n%s", o.code, o.stderr)
	}
	for _, args := range [][]string{
		{"unseal"}, {"export"}, {"unseal", "--format", "env"},
		{"run", "--env", "--", "sh", "-c", `env; cat "$SSOVAULT_INSTANCE" "$SSOVAULT_SHARED"`},
		{"run", "--dir", "--", "sh", "-c", `cat "$SSOVAULT_INSTANCE"`},
	} {
		if got := s.must(args...); strings.Contains(strings.ToLower(got), "recovery_") || !strings.Contains(got, "acme") && !strings.Contains(got, "admin_port") {
			t.Errorf("%v:\n%s", args, got)
		}
	}
	if show := s.must("show"); !strings.Contains(show, "recovery_recipient    age1") || !strings.Contains(show, "recovery_signing_key  ********") {
		t.Error(show)
	}
	// Off: the file goes, and no way is left.
	if o := s.run("recovery", "off"); o.code != 2 {
		t.Errorf("off without --yes: exit %d", o.code)
	}
	s.must("recovery", "off", "--yes")
	if _, ok := s.dataTree()["recovery.age"]; ok || maps.Equal(before, s.dataTree()) {
		t.Error("recovery.age is still there")
	}
	if got := s.must("recovery", "status"); !strings.Contains(got, "nobody can open the settings") {
		t.Error(got)
	}
	if o := s.opens(s.first...); o.code != 12 {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}

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
		{"threshold is at least 2", []string{"--generate", "--shares", "3", "--share-dir", s.out}},
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
		{"nobody is there to type the PIN", []string{"--token", "fresh", "--library", s.module.Path, "--yes"}},
		{"a slot number, a label or a serial number is needed", []string{"--library", s.module.Path, "--to-pin-source", "prompt", "--yes"}},
		{"the library sees", []string{"--token", "none", "--library", s.module.Path, "--to-pin-source", "prompt", "--yes"}},
		{"there is no library", []string{"--token", "fresh", "--library", "/none.so", "--to-pin-source", "prompt", "--yes"}},
		{"give an absolute path", []string{"--token", "fresh", "--to-pin-source", "file:pin", "--yes"}},
		{"a source is", []string{"--token", "fresh", "--to-pin-source", "pin", "--yes"}},
		{"a Crypto User cannot make keys", []string{"--token", "fresh", "--role", "cu", "--yes"}},
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
		"another":  {func() { s.edit("recovery.age", func(b []byte) []byte { return append(b, 'x') }) }, "another save", "is not of this save"},
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

// Custodians at the terminal: shares are shown one a screen, and typed.
func TestRecoveryAtTheTerminal(t *testing.T) {
	s := newLostScene(t)
	shown, code := s.onTerminal([]string{"", "", "", "", "", ""}, "never", "", "recovery", "init", "--generate", "--shares", "3", "--threshold", "2")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	screens := strings.Split(shown, "ssovault recovery share 1\n")
	if len(screens) != 4 || strings.Count(shown, "\x1b[2J") < 7 {
		t.Fatalf("%d screens\n%q", len(screens), shown)
	}
	var typed []string
	for _, n := range []int{3, 1} {
		for line := range strings.Lines(screens[n]) {
			if len(line) > 3 && line[1:3] == "  " && line[0] >= '1' && line[0] <= '8' {
				typed = append(typed, strings.ToLower(strings.TrimSpace(line[3:])))
			}
		}
	}
	if len(typed) != 16 {
		t.Fatalf("%d lines", len(typed))
	}
	// A slip in the third line is said at once, and the line given again.
	slip := strings.Replace(typed[2], typed[2][:4], "zzzz", 1)
	typed = append(typed[:2], append([]string{slip}, typed[2:]...)...)
	s.deleteToken(s.token)
	answers := append(typed, "fresh", s.token.PIN, "y")
	shown, code = s.onTerminal(answers, "never", "", "recovery", "open", "--share", "-", "--library", s.module.Path)
	if code != 0 || !strings.Contains(shown, "line 3: its last group does not fit") || !strings.Contains(shown, "Share 3 of 3 is good") || strings.Contains(shown, s.token.PIN) {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	s.must("run", "--", "/bin/true")
	if b, err := os.ReadFile(filepath.Join(s.base, "sks.pin")); err != nil || string(b) != s.token.PIN {
		t.Errorf("the PIN was not kept: %v", err)
	}
	// A signer that nobody has written down is asked for.
	s.withIdentityReplacing()
	identity, err := os.ReadFile(s.in + "/second.txt")
	if err != nil {
		t.Fatal(err)
	}
	bare := s.bring("bare.txt", []byte(afterText(t, string(identity), "\n# ssovault signer: ")[65:]))
	signer := afterText(t, string(identity), "# ssovault signer: ")[:64]
	for answer, want := range map[string]int{signer: 0, strings.Replace(signer, signer[:4], "AAAA", 1): 26, "no": 2} {
		if shown, code := s.onTerminal([]string{answer}, "never", "", "recovery", "open", "--dry-run", "--in-the-clear", "--identity", bare); code != want || !strings.Contains(shown, signer) {
			t.Errorf("%q: exit %d, want %d\n%s", answer, code, want, shown)
		}
	}
	// Ctrl-C at a share leaves everything as it is.
	before := s.tree()
	if _, code := s.onTerminal(nil, ": ", "\x03", "recovery", "init", "--generate", "--shares", "3", "--threshold", "2", "--yes"); code != 130 && code != 128+2 {
		t.Errorf("exit %d", code)
	}
	if diff := cmp.Diff(before, s.tree()); diff != "" {
		t.Error(diff)
	}
}

// withIdentityReplacing replaces the recovery by one of an identity.
func (s *lostScene) withIdentityReplacing() {
	s.t.Helper()
	s.must("recovery", "init", "--generate", "-o", s.in+"/second.txt", "--yes")
}

// A backup holds the recovery file of the same save, and brings it back.
func TestRecoveryFromABackup(t *testing.T) {
	s := newLostScene(t)
	s.withIdentity()
	archive := s.backup()
	s.deleteToken(s.token)
	s.wipeData()
	s.must("restore", "--accept-sks", archive)
	if got := s.must("recovery", "status"); !strings.Contains(got, "of the present save") {
		t.Error(got)
	}
	s.must(s.openArgs()...)
	s.must("run", "--", "/bin/true")
}

// The PIN of the token may come from a variable, which nobody sees afterwards.
func TestRecoveryWithAVariable(t *testing.T) {
	s := newLostScene(t)
	s.must(s.initArgs()...)
	files := s.shares()
	s.deleteToken(s.token)
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.command("recovery", "open", "--share", files[1], "--share", "-", "--token", s.fresh.Serial, "--library", s.module.Path, "--to-pin-source", "env:NEW_PIN", "--yes", "--json")
	cmd.Env = append(cmd.Env, "NEW_PIN="+s.token.PIN)
	cmd.Stdin = strings.NewReader(string(b))
	if o := execute(t, cmd); o.code != 0 || !strings.Contains(o.stdout, fmt.Sprintf("%q: %q", "token_serial", s.fresh.Serial)) {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}
