package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
)

// unchanged runs a command that must be refused, or only look, and leave
// folder and tokens as they are.
func (k *keyScene) unchanged(code int, text string, args ...string) {
	k.t.Helper()
	tree, first, second := k.tree(), k.token.Snapshot(k.t), k.second.Snapshot(k.t)
	o := k.run(args...)
	if o.code != code || !strings.Contains(o.stdout+o.stderr, text) {
		k.t.Errorf("%q: exit %d, want %d and %q\n%s%s", args, o.code, code, text, o.stdout, o.stderr)
	}
	if diff := cmp.Diff(tree, k.tree()); diff != "" {
		k.t.Errorf("%q changed the folder:\n%s", args, diff)
	}
	if first != k.token.Snapshot(k.t) || second != k.second.Snapshot(k.t) {
		k.t.Errorf("%q changed a token", args)
	}
}

// rekeyed runs rotate or migrate and gives its report.
func (k *keyScene) rekeyed(args ...string) (r rekeyReport) {
	k.t.Helper()
	if err := json.Unmarshal([]byte(k.must(append(args, "--json")...)), &r); err != nil {
		k.t.Fatal(err)
	}
	return r
}

func TestRotate(t *testing.T) {
	k := newKeyScene(t)
	k.unchanged(11, "ssovault -config", "rotate")
	k.configure()
	label := "SSO Vault Properties " + strings.TrimSpace(k.must("get", "instance_number"))
	settings := k.must("unseal")
	k.unchanged(0, `then "`+label+` -2"`, "rotate", "--dry-run")
	k.unchanged(2, "unknown flag", "rotate", "--nonsense")

	r := k.rekeyed("rotate")
	if r.From.Label != label || r.To.Label != label+" -2" || r.Generation != 2 || !r.Remembers || r.KeptPIN != "" || r.To.TokenSerial != k.token.Serial {
		t.Errorf("%+v", r)
	}
	if k.must("unseal") != settings {
		t.Error("other settings")
	}
	// The wizard numbers its keys in the same way.
	k.must("-config", "--new-key", "-answers", k.in+"/answers")
	if got := k.sealed(); got.Key.ID == r.To.ID {
		t.Error("the dialog kept the key")
	}
	k.holds("after three keys", k.token, 3, 1)
	if objects := k.token.Snapshot(t); strings.Count(objects, `"`+label+` -3"`) != 2 { // with its certificate
		t.Errorf("%s", objects)
	}

	// The service goes on meanwhile; it has its settings already.
	k.unchanged(0, "would rotate", "rotate", "--dry-run")
	k.setSKS("sks.role", "cu")
	k.unchanged(30, "who can use a key but not make one", "rotate")
	k.setSKS("sks.role", "user")
	k.must("-disableSKS")
	k.unchanged(2, "ssovault migrate --to TOKEN", "rotate")
	k.unchanged(2, "ssovault migrate --to TOKEN", "rotate", "--dry-run")
}

func TestMigrate(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	settings := k.must("unseal")
	source := "file:" + k.in + "/second.pin"
	for _, row := range []struct {
		code int
		text string
		args []string
	}{
		{2, "needs --to TOKEN", nil},
		{2, "ssovault rotate", []string{"--to", k.token.Serial}},
		{2, "no slot number, label or serial number", []string{"--to", "nowhere"}},
		{2, "not initialised", []string{"--to", "2"}},
		{2, "no terminal to ask on", []string{"--to", k.second.Serial}},
		{2, "is no source", []string{"--to", k.second.Serial, "--to-pin-source", "1234"}},
		{2, "is no source", []string{"--to", k.second.Serial, "--to-pin-source", source, "--service-pin-source", "1234"}},
		{2, "would only cost a try", []string{"--to", k.second.Serial, "--to-pin-source", "file"}},
		{2, "another password", []string{"--to", k.second.Serial, "--to-pin-source", source, "--service-pin-source", "file:" + k.in + "/token.pin"}},
		{2, "absolute path", []string{"--to", k.second.Serial, "--to-pin-source", "file:in/second.pin"}},
		{22, "hint: look at the source that --to-pin-source names", []string{"--to", k.second.Serial, "--to-pin-source", "file:" + k.in + "/none"}},
		{2, "--role is user or cu", []string{"--to", k.second.Serial, "--role", "so"}},
		{2, "--role cu needs --service-pin-source", []string{"--to", k.second.Serial, "--role", "cu"}},
		{2, "has no Crypto User", []string{"--to", k.second.Serial, "--role", "cu", "--to-pin-source", source, "--service-pin-source", "prompt"}},
		{2, "exclude each other", []string{"--to-clear", "--to", k.second.Serial}},
		{10, "there is no PKCS#11 library", []string{"--to", k.second.Serial, "--library", k.in + "/none.so"}},
		{0, "would migrate", []string{"--to", k.second.Serial, "--to-pin-source", source, "--dry-run"}},
	} {
		k.unchanged(row.code, row.text, append([]string{"migrate"}, row.args...)...)
	}
	loose := filepath.Join(k.in, "loose.so")
	if err := os.WriteFile(loose, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o666); err != nil {
		t.Fatal(err)
	}
	k.unchanged(30, "may be written to by others", "migrate", "--to", k.second.Serial, "--library", loose)

	// A PIN that the new token refuses costs one try, and nothing else.
	k.bring("wrong.pin", []byte("wrong-pin\n"))
	for range 2 {
		if o := k.run("migrate", "--to", k.second.Serial, "--to-pin-source", "file:"+k.in+"/wrong.pin"); o.code != 20 {
			t.Errorf("exit %d\n%s", o.code, o.stderr)
		}
	}
	if k.must("unseal") != settings {
		t.Error("other settings")
	}

	k.module.Reset()
	r := k.rekeyed("migrate", "--to", k.second.Label, "--to-pin-source", source, "--service-pin-source", "file")
	if r.From.TokenSerial != k.token.Serial || r.To.TokenSerial != k.second.Serial || r.PIN != "file" || r.KeptPIN == "" || r.Generation != 2 {
		t.Errorf("%+v", r)
	}
	if k.must("unseal") != settings {
		t.Error("other settings")
	}
	k.nothingLeft("migrated")
	k.holds("migrated", k.token, 1, 1)
	k.holds("migrated", k.second, 1, 1)

	k.must("migrate", "--to-clear")
	if k.sealed().Mode != "clear" || k.must("unseal") != settings {
		t.Error("not the same in the clear")
	}
	back := []string{"migrate", "--to", k.token.Serial, "--library", k.module.Path, "--to-pin-source", "file:" + k.in + "/token.pin"}
	jks := k.data("sso_keystore.pem")
	if err := os.Rename(jks, k.in+"/away.pem"); err != nil {
		t.Fatal(err)
	}
	k.unchanged(16, "sso_keystore.pem was configured and is missing", back...)
	if err := os.Rename(k.in+"/away.pem", jks); err != nil {
		t.Fatal(err)
	}
	k.module.Vanish()
	if o := k.run(back...); o.code != 10 {
		t.Errorf("a token that is away: exit %d\n%s", o.code, o.stderr)
	}
	k.module.Return()
	k.unchanged(0, "now  in the clear", append(back, "--dry-run")...)
	o := k.run(back...)
	if o.code != 0 || !strings.Contains(o.stderr, "cannot erase them there") || !strings.Contains(o.stdout, ` -2" (id `) || k.must("unseal") != settings {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// After a migration BASE/sks.pin is the new token's: a backup of before does not
// cost a try at the old one.
func TestBackupOfTheTokenBefore(t *testing.T) {
	k, archive, keptPIN := newMovedScene(t)
	kept, own := []string{keptPIN}, "file:"+keptPIN
	for _, row := range []struct {
		code int
		args []string
	}{
		{0, []string{"restore", "--dry-run", "--accept-sks", archive}},
		{22, []string{"restore", "--dry-run", "--accept-sks", "--must-open", archive}},
		{22, []string{"restore", "--dry-run", "--accept-sks", "--must-open", "--pin-source", "file", archive}},
		{22, []string{"backup", "drill", "--accept-sks", archive}},
	} {
		k.unchanged(row.code, "no login was tried", row.args...)
		k.unchanged(row.code, kept[0], row.args...)
	}
	k.unchanged(0, "can be restored", "restore", "--dry-run", "--accept-sks", "--must-open", "--pin-source", own, archive)
	k.unchanged(0, "opened with the key", "backup", "drill", "--accept-sks", "--pin-source", own, archive)

	before := k.token.Snapshot(t)
	o := k.run("restore", "--accept-sks", "--must-open", archive)
	if o.code != 22 || !strings.Contains(o.stdout, "kept: data.before-restore-") || !strings.Contains(o.stderr, "no login was tried") {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if exists(k.base+"/run/pin-refused") || k.token.Snapshot(t) != before {
		t.Error("the PIN was tried")
	}
}

// On a terminal the PIN of the new token is typed, and stored for the service.
func TestMigrateAsksForThePIN(t *testing.T) {
	k := newKeyScene(t)
	k.configure()
	terminal, err := pty.Start(k.command("migrate", "--to", k.second.Serial))
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	d := &typing{t: t, terminal: terminal}
	d.await("PIN of the token second token: ")
	d.answer(k.second.PIN)
	d.await("migrated: instance")
	d.await("The PIN that was in sks.pin is kept")
	if strings.Contains(d.all.String(), k.second.PIN) {
		t.Error("the PIN is shown")
	}
	if b, err := os.ReadFile(k.base + "/sks.pin"); err != nil || string(b) != k.second.PIN {
		t.Errorf("the stored PIN is another (%v)", err)
	}
	k.must("unseal")
}

// typing is somebody at a terminal.
type typing struct {
	t        *testing.T
	terminal *os.File
	seen     strings.Builder // since the last answer
	all      strings.Builder
}

func (d *typing) await(text string) {
	d.t.Helper()
	b := make([]byte, 4096)
	for !strings.Contains(d.seen.String(), text) {
		n, err := d.terminal.Read(b)
		d.seen.Write(b[:n])
		d.all.Write(b[:n])
		if err != nil {
			d.t.Fatalf("no %q: %v\n%s", text, err, d.all.String())
		}
	}
}

func (d *typing) answer(text string) {
	d.t.Helper()
	d.seen.Reset()
	if _, err := d.terminal.WriteString(text + "\n"); err != nil {
		d.t.Fatal(err)
	}
}
