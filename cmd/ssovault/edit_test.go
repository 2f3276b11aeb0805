package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// with runs ssovault with something on its standard input.
func (c *connector) with(stdin string, args ...string) outcome {
	c.t.Helper()
	cmd := c.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	return execute(c.t, cmd)
}

// Values of every kind come back exactly, and Java reads the same.
func TestEveryKindOfValue(t *testing.T) {
	c := newConnector(t)
	c.configure()
	values := map[string]string{
		"dollar": "${HOME}", "hash": "#x", "bang": "!", "spaces": "  a  ", "backslash": `C:\temp\n\u0041\`, "equals": "a=b:c",
		"tabs": "a\tb\nc\r\nd\n", "latin": "é ÿ", "emoji": "😀 👩‍👩‍👧", "empty": "", "nul": "a\x00b",
		"xml": strings.Repeat(`<a b="ü">#!\ ${x}</a>`+"\n", 5000),
	}
	const oddKey = " k e=y:#!\t\\é" // set takes a = for the end of the key; import takes any
	odd, err := json.Marshal(map[string]string{oddKey: "odd key"})
	if err != nil {
		t.Fatal(err)
	}
	if o := c.with(string(odd), "import", "--merge", "--file", "instance", "-"); o.code != 0 {
		t.Fatal(o.stderr)
	}
	for key, value := range values {
		if o := c.with(value+"\n", "set", "--stdin", key); o.code != 0 {
			t.Fatalf("%s: %s", key, o.stderr)
		}
	}
	for key, value := range values {
		if got := c.must("get", key); got != value+"\n" {
			t.Errorf("%s: %.60q, want %.60q", key, got, value)
		}
	}
	values[oddKey] = "odd key"
	var flat map[string]string
	if err := json.Unmarshal([]byte(c.must("unseal", "--file", "instance", "--format", "json")), &flat); err != nil {
		t.Fatal(err)
	}
	java := exec.Command("java", "../../testdata/java/PropertiesHex.java")
	java.Stdin = strings.NewReader("load " + hex.EncodeToString([]byte(c.must("unseal", "--file", "instance"))) + "\n")
	out, err := java.Output()
	if err != nil {
		t.Fatalf("java (package default-jdk-headless): %v", err)
	}
	fromJava := map[string]string{}
	for pair := range strings.SplitSeq(strings.TrimSpace(string(out)), ",") {
		key, value, _ := strings.Cut(pair, "=")
		fromJava[fromUTF16(t, key)] = fromUTF16(t, value)
	}
	if !maps.Equal(flat, fromJava) {
		t.Errorf("Java reads %d settings, ssovault %d, or others", len(fromJava), len(flat))
	}
	for key, value := range values {
		if flat[key] != value || fromJava[key] != value {
			t.Errorf("%s: JSON %.60q, Java %.60q", key, flat[key], fromJava[key])
		}
	}
}

// fromUTF16 reads the hexadecimal digits of UTF-16BE.
func fromUTF16(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units))
}

func TestSet(t *testing.T) {
	c := newConnector(t)
	c.configure()
	before := c.tree()
	for _, row := range []struct {
		args []string
		text string
	}{
		{[]string{"set", "admin_port"}, "KEY=VALUE"},
		{[]string{"set", "=x"}, "KEY=VALUE"},
		{[]string{"set", "admin_port=0"}, "from 1 to 65535"},
		{[]string{"set", "admin_port=1", "sso_ssl_port=x"}, "from 1 to 65535"},
		{[]string{"set", "key_store_password=" + canaryPassword}, "command line"},
		{[]string{"set", "apiToken=x"}, "command line"},
		{[]string{"set", "--public", "--stdin", "apiToken"}, "always masked"},
		{[]string{"set", "instance_number=123456789012"}, "does not change"},
		{[]string{"set", "--file", "instance", "sso_domain=x"}, "shared file"},
		{[]string{"set", "--file", "other", "x=1"}, "instance or shared"},
		{[]string{"--lock-wait", "-5s", "set", "admin_port=1"}, "negative"},
		{[]string{"--pin-source", "1234", "set", "admin_port=1"}, "--pin-source"},
		{[]string{"-config", "-answers", ""}, "names no file"},
		{[]string{"run", "--failure-code", "256", "--", "/bin/true"}, "1 to 255"},
		{[]string{"run", "--failure-code", "0", "--", "/bin/true"}, "1 to 255"},
		{[]string{"-disableSKS=false"}, "disableSKS"},
		{[]string{"import", c.base}, "directory"},
		{[]string{"set", "ssl_file=/no/such/file"}, "no such file"},
		{[]string{"set", "ssl_file=" + c.in + "/idp.xml"}, "key store"},
		{[]string{"set", "saml_file=" + c.in + "/tls.pem"}, "metadata"},
		{[]string{"set"}, "set: KEY=VALUE is missing"},
		{[]string{"unset", "sso_domain"}, "needs it"},
		{[]string{"unset", "instance_number"}, "needs it"},
		{[]string{"unset", "no.such"}, "no setting"},
		{[]string{"get", "no.such"}, "no setting"},
	} {
		o := c.with("x\n", row.args...)
		if o.code != 2 || !strings.Contains(o.stderr, row.text) || !strings.Contains(o.stderr, "ssovault: hint: ") || strings.Contains(o.stderr, canaryPassword) {
			t.Errorf("%v: exit %d, want %q\n%s", row.args, o.code, row.text, o.stderr)
		}
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused change has changed something")
	}
	// No change, no save.
	c.must("set", "admin_port=8080")
	if !maps.Equal(before, c.tree()) {
		t.Error("a change to what is there already was saved")
	}
	// Known settings go to their file, others to instance unless they are told.
	c.must("set", "sso_domain=beta", "my.own=1")
	c.must("set", "--file", "shared", "our.own=2")
	c.must("set", "our.own=3")
	shared := c.must("unseal", "--file", "shared")
	instance := c.must("unseal", "--file", "instance")
	if !strings.Contains(shared, "sso_domain=beta\n") || !strings.Contains(shared, "our.own=3\n") || !strings.Contains(instance, "my.own=1\n") || strings.Contains(instance, "our.own") {
		t.Errorf("shared:\n%s\ninstance:\n%s", shared, instance)
	}
	if o := c.run("set", "--file", "instance", "our.own=4"); o.code != 2 {
		t.Errorf("one key in both files: %+v", o)
	}
	c.must("set", "evil\x1b[31m=1")
	if out := c.must("show"); strings.Contains(out, "\x1b") {
		t.Error("show lets a key write to the terminal")
	}
	c.must("--lock-wait", "0s", "get", "our.own")
	c.must("unset", "my.own", "our.own")
	if o := c.run("get", "our.own"); o.code != 2 {
		t.Errorf("%+v", o)
	}
}

// A key store and metadata are taken in and bound; the passwords come from
// where the flags say.
func TestTakeIn(t *testing.T) {
	c := newConnector(t)
	c.configure()
	pem := c.bring("new.pem", tlsPEM(t, "new.example.com"))
	p12 := filepath.Join(c.in, "new.p12")
	if out, err := exec.Command("openssl", "pkcs12", "-export", "-in", pem, "-out", p12, "-passout", "pass:"+canaryPassword).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	before := c.tree()
	if o := c.run("set", "ssl_file="+p12); o.code != 2 || !strings.Contains(o.stderr, "--key-store-password-source") {
		t.Errorf("without its password: %+v", o)
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused key store was taken in")
	}
	c.must("set", "ssl_file="+p12, "--key-store-password-source", "file:"+c.bring("store.pass", []byte(canaryPassword+"\n")))
	if got := c.must("get", "ssl_file"); got != "sso_keystore.jks\n" {
		t.Errorf("ssl_file=%q", got)
	}
	if _, err := os.Stat(c.data("sso_keystore.pem")); !os.IsNotExist(err) {
		t.Error("the PEM file is still there")
	}
	if got := c.must("get", "key_store_password"); got != canaryPassword+"\n" {
		t.Errorf("%q", got)
	}
	c.must("set", "saml_file="+c.bring("new.xml", []byte(metadataXML("https://new.example.com"))))
	c.must("run", "--", "/bin/true")
	if b, _ := os.ReadFile(c.data("idp_metadata.xml")); !strings.Contains(string(b), "new.example.com") {
		t.Error("the metadata was not taken in")
	}
	// Passwords that do not open it are refused, whichever way they come.
	before = c.tree()
	if o := c.with("wrong\n", "set", "--stdin", "key_store_password"); o.code != 2 || !strings.Contains(o.stderr, "key store") {
		t.Errorf("a wrong password: %+v", o)
	}
	if o := c.with(`{"shared":{"key_store_password":"wrong"},"instance":{}}`, "import", "--merge", "-"); o.code != 2 {
		t.Errorf("a wrong password imported: %+v", o)
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused password was saved")
	}
	// A file that was changed in place is refused, until it is taken in.
	changed := metadataXML("https://changed.example.com")
	if err := os.WriteFile(c.data("idp_metadata.xml"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := c.run("get", "sso_domain"); o.code != 26 {
		t.Errorf("changed metadata: %+v", o)
	}
	c.must("set", "saml_file="+c.data("idp_metadata.xml"))
	c.must("run", "--", "/bin/true")
	// A link is followed, as certificate tools leave one.
	link := filepath.Join(c.in, "live.xml")
	if err := os.Symlink("new.xml", link); err != nil {
		t.Fatal(err)
	}
	c.must("set", "saml_file="+link)
	// PEM has no passwords: those of the store before go.
	c.must("set", "ssl_file="+pem)
	if o := c.run("get", "key_store_password"); o.code != 2 {
		t.Errorf("the old password stays: %+v", o)
	}
}

func TestShowAndExport(t *testing.T) {
	c := newConnector(t)
	c.configure()
	c.with(canaryValue+"\n", "set", "--stdin", "vendor_token")
	c.must("set", "plain=visible?")
	c.must("set", "--public", "open=visible!")
	for _, args := range [][]string{{"show"}, {"show", "--json"}} {
		out := c.must(args...)
		for _, want := range []string{"acme", "visible!", mask} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q", args, want)
			}
		}
		if strings.Contains(out, canaryValue) || strings.Contains(out, "visible?") {
			t.Errorf("%v shows what it should mask:\n%s", args, out)
		}
	}
	c.must("set", "--public=false", "open=visible!")
	if out := c.must("show"); strings.Contains(out, "visible!") {
		t.Error("--public=false masks nothing")
	}
	if out := c.must("show", "--reveal"); !strings.Contains(out, canaryValue) {
		t.Error("--reveal masks")
	}
	exported := c.must("export")
	var both map[string]map[string]string
	if err := json.Unmarshal([]byte(exported), &both); err != nil || both["shared"]["sso_domain"] != "acme" {
		t.Fatalf("%v, %v", both, err)
	}
	if out := c.must("unseal", "--format", "json"); out != exported {
		t.Error("unseal and export differ")
	}
	env := c.must("unseal", "--format", "env")
	sh := exec.Command("/bin/sh", "-c", `eval "$1"; printf %s "$SSOVAULT_P_VENDOR_TOKEN"`, "sh", env)
	if out, err := sh.Output(); err != nil || string(out) != canaryValue {
		t.Errorf("a shell reads %q, %v", out, err)
	}

	// Import gives the same settings back, in one save.
	c.must("set", "plain=changed", "added=1")
	if diff := c.with(exported, "diff", "-"); diff.code != 0 || diff.stdout != "~ instance plain: "+mask+" -> "+mask+"\n+ instance added="+mask+"\n" {
		t.Errorf("diff: %+v", diff)
	}
	if o := c.with(exported, "import", "-"); o.code != 0 {
		t.Fatal(o.stderr)
	}
	if again := c.must("export"); again != exported {
		t.Errorf("after the import:\n%s", again)
	}
	if o := c.with("sso_domain=merged\nx=1\n", "import", "--merge", "--file", "shared", "-"); o.code != 0 {
		t.Fatal(o.stderr)
	}
	if out := c.must("unseal", "--file", "shared"); !strings.Contains(out, "sso_domain=merged\n") || !strings.Contains(out, "shared_secret_key=") {
		t.Errorf("after the merge:\n%s", out)
	}
	before := c.tree()
	for stdin, text := range map[string]string{
		"": "empty", "{": "not what", "{}": "neither", `{"shered":{}}`: "shered", `{"instance":{"admin_port":"x"},"shared":null}`: "is missing", "sso_domain=x\n": "--file",
	} {
		if o := c.with(stdin, "import", "-"); o.code != 2 || !strings.Contains(o.stderr, text) {
			t.Errorf("import of %q: %+v", stdin, o)
		}
	}
	if o := c.with("sso_ssl_port=x\n", "import", "--merge", "--file", "shared", "-"); o.code != 2 || !strings.Contains(o.stderr, "65535") {
		t.Errorf("an import that is not valid: %+v", o)
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused import has changed something")
	}
}

// The editor works in memory; what it leaves beside goes with the folder.
func TestEdit(t *testing.T) {
	c := newConnector(t)
	c.configure()
	editor := c.bring("editor", []byte(`#!/bin/sh
# An untidy editor: it leaves a backup, a swap file, a history and a temporary file.
where=$(dirname "$1")
echo "$where $HOME $TMPDIR $(stat -f -c %T "$where") $(stat -c %a "$where")" > "$TRACE"
cp "$1" "$1~"; cp "$1" "$where/.swp"; cat "$1" > "$HOME/.history"; cat "$1" > "$TMPDIR/tmp.1"
[ -z "$SED" ] || sed -i "$SED" "$1" "$2"
`))
	if err := os.Chmod(editor, 0o700); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(c.dir, "trace")
	edit := func(sed string) outcome {
		cmd := c.command("edit")
		cmd.Env = append(cmd.Env, "VISUAL=", "EDITOR="+editor, "TRACE="+trace, "SED="+sed)
		return execute(t, cmd)
	}
	before := c.tree()
	if o := edit(""); o.code != 0 || !maps.Equal(before, c.tree()) {
		t.Errorf("nothing was edited: %+v", o)
	}
	b, _ := os.ReadFile(trace)
	where := strings.Fields(string(b))
	if len(where) != 5 || where[0] != where[1] || where[0] != where[2] || where[3] != "tmpfs" || where[4] != "700" {
		t.Errorf("the editor's place: %q", where)
	}
	if _, err := os.Stat(where[0]); !os.IsNotExist(err) {
		t.Error("the folder outlives the editor")
	}
	if o := edit("s/^admin_port=.*/admin_port=7777/"); o.code != 0 || c.must("get", "admin_port") != "7777\n" {
		t.Errorf("edited: %+v", o)
	}
	before = c.tree()
	for sed, text := range map[string]string{
		"s/^admin_port=.*/admin_port=x/":   "65535",
		"s/^instance_number=.*//":          "does not change",
		"s/^ssl_file=.*/ssl_file=evil/":    "ssovault set ssl_file=FILE",
		`s/^sso_domain=.*/sso_domain=\\u/`: "line",
		"/^sso_domain/d":                   "is missing",
	} {
		if o := edit(sed); o.code != 2 || !strings.Contains(o.stderr, text) {
			t.Errorf("%s: %+v", sed, o)
		}
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused edit has changed something")
	}
	// While the editor stands open the service starts and others change
	// settings; what was edited is then not saved over theirs.
	c.must("set", "gone=1", "odd one=1")
	slow := c.bring("slow", []byte("#!/bin/sh\necho open\nread x\n"+
		"sed -i -e '$a added=a\\\\nb' -e s/^admin_port=.*/admin_port=1/ -e /^gone=/d -e /^odd/d \"$1\"\n"))
	if err := os.Chmod(slow, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := c.command("edit")
	cmd.Env = append(cmd.Env, "VISUAL="+slow)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("%q", line)
	}
	c.must("run", "--", "/bin/true")
	c.must("set", "admin_port=7778", "private_ip=10.9.9.9", "sso_domain=theirs")
	before = c.tree()
	in.Write([]byte("\n"))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 31 {
		t.Errorf("edited over another change: exit %d", code)
	}
	// What was edited is not lost.
	_, rest, ok := strings.Cut(complaint.String(), "; instance.properties as edited: in memory in ")
	left, rest, _ := strings.Cut(rest, ";")
	defer os.RemoveAll(left)
	if b, err := os.ReadFile(filepath.Join(left, "instance.properties")); !ok || err != nil || !strings.Contains(string(b), "admin_port=1\n") {
		t.Errorf("what was edited is gone: %v\n%s", err, complaint.String())
	}
	if text := complaint.String(); strings.Contains(text, "holds the lock") || strings.Contains(text, "shared.properties") {
		t.Errorf("what is not so: %s", text)
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused edit has changed something")
	}
	// The command of the hint takes in what was edited, and nothing else.
	_, hint, _ := strings.Cut(rest, "taken in by '")
	hint, _, _ = strings.Cut(hint, "'; then remove that folder")
	shell := c.command()
	shell.Args = []string{"sh", "-c", hint}
	shell.Env = append(shell.Env, "PATH="+filepath.Dir(shell.Path)+":/usr/bin:/bin")
	shell.Path = "/bin/sh"
	if o := execute(t, shell); o.code != 0 {
		t.Fatalf("%s: exit %d\n%s", hint, o.code, o.stderr)
	}
	for key, want := range map[string]string{"admin_port": "1", "added": "a\nb", "private_ip": "10.9.9.9", "sso_domain": "theirs"} {
		if got := c.must("get", key); got != want+"\n" {
			t.Errorf("%s=%q", key, got)
		}
	}
	for _, key := range []string{"gone", "odd one"} {
		if o := c.run("get", key); o.code != 2 {
			t.Errorf("%s is still there", key)
		}
	}
	before = c.tree()
	cmd = c.command("edit")
	cmd.Env = append(cmd.Env, "VISUAL=/bin/false")
	if o := execute(t, cmd); o.code != 1 {
		t.Errorf("an editor that fails: %+v", o)
	}
	if !maps.Equal(before, c.tree()) {
		t.Error("a refused edit has changed something")
	}
}
