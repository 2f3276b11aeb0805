package doctor

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
	"ssovault/internal/vault"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// patient is a configured folder on a memory device, of a vendor's type.
func patient(t *testing.T, vendor string) (Doctor, *memory.Device) {
	t.Helper()
	base := filepath.Join(t.TempDir(), "base")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	device := memory.New("test", "0123")
	device.PIN = "1234"
	f, err := vault.Open(context.Background(), base, vault.Change, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	instance, _ := properties.Parse([]byte("instance_number=123456789012\n"))
	shared, _ := properties.Parse([]byte("sso_domain=x\n"))
	plan := vault.Plan{
		Settings: vault.Settings{Instance: instance, Shared: shared}, Now: now, PIN: secret.New([]byte("1234")),
		SKS: &vault.SKS{Type: vendor, Library: "/lib/x.so", Label: "test", Serial: "0123", Role: sks.RoleUser, PIN: pin.Default, Timeouts: sks.DefaultTimeouts},
	}
	if _, err := f.Configure(context.Background(), plan, device.Store(), device.Token); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, err = vault.Open(context.Background(), base, vault.Look, time.Second); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return Doctor{
		Folder: f, Now: now, LookupEnv: func(string) (string, bool) { return "", false },
		Device: vault.Device{Dialer: device, Now: func() time.Time { return now },
			PINs: pin.Reader{File: f.PINFile(), UID: os.Geteuid(), LookupEnv: os.LookupEnv}},
	}, device
}

// line finds a check among the lines.
func line(lines []Line, check string) Line {
	if i := slices.IndexFunc(lines, func(l Line) bool { return l.Check == check && l.Level != OK }); i >= 0 {
		return lines[i]
	}
	if i := slices.IndexFunc(lines, func(l Line) bool { return l.Check == check }); i >= 0 {
		return lines[i]
	}
	return Line{}
}

func TestHealthy(t *testing.T) {
	d, _ := patient(t, sks.SoftHSM)
	var reported []Line
	d.Report = func(l Line) { reported = append(reported, l) }
	lines, err := d.Run(context.Background())
	if err != nil || len(reported) != len(lines) {
		t.Errorf("%v, %d reported", err, len(reported))
	}
	var order []string
	for _, l := range lines {
		order = append(order, l.Check)
		if l.Level == Fail || l.Text == "" || l.Level == Warn && l.Hint == "" {
			t.Errorf("%+v", l)
		}
	}
	want := "folder modes library token tries login key attributes AES/GCM proof files unseal generation certificate recovery disk swap backup orphans"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("checks\n%s, want\n%s", got, want)
	}
}

func TestSick(t *testing.T) {
	for _, c := range []struct {
		name   string
		vendor string
		do     func(*Doctor, *memory.Device)
		check  string
		level  Level
		cause  fault.Cause
	}{
		{"no configuration", sks.SoftHSM, func(d *Doctor, _ *memory.Device) { os.RemoveAll(d.Folder.Data("")) }, "folder", Fail, fault.NoConfiguration},
		{"no sks.properties", sks.SoftHSM, func(d *Doctor, _ *memory.Device) { os.Remove(d.Folder.Data(vault.SKSFile)) }, "folder", Fail, fault.NoConfiguration},
		{"open to others", sks.SoftHSM, func(d *Doctor, _ *memory.Device) { os.Chmod(d.Folder.Data(vault.SharedEncp), 0o644) }, "modes", Warn, 0},
		{"a slip in sks.properties", sks.SoftHSM, func(d *Doctor, _ *memory.Device) {
			b, _ := os.ReadFile(d.Folder.Data(vault.SKSFile))
			os.WriteFile(d.Folder.Data(vault.SKSFile), append(b, "rolback=refuse\n"...), 0o600)
		}, "unknown", Warn, 0},
		{"left in the clear", sks.SoftHSM, func(d *Doctor, _ *memory.Device) {
			os.WriteFile(d.Folder.Data(".shared.properties."+strings.Repeat("ab", 16)+".new"), []byte("x=y"), 0o600)
		}, "left over", Warn, 0},
		{"away", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.Away = true }, "library", Fail, fault.Unreachable},
		{"another serial", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.Token.Serial = "9" }, "token", Warn, 0},
		{"another token", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.Token.Serial, m.Token.Label = "9", "y" }, "token", Fail, fault.Unreachable},
		{"locked", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.Token.Tries = sks.TriesLocked }, "tries", Fail, fault.PINLocked},
		{"few tries", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.Token.Tries = sks.TriesLow }, "login", Fail, fault.PINRefused},
		{"wrong PIN", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.PIN = "x" }, "login", Fail, fault.PINRefused},
		{"no PIN", sks.SoftHSM, func(d *Doctor, _ *memory.Device) { os.Remove(d.Folder.PINFile()) }, "login", Fail, fault.PINUnavailable},
		{"no key", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.Clear() }, "key", Fail, fault.KeyMissing},
		{"unsafe key", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.Unsafe = []string{"extractable"} }, "attributes", Warn, 0},
		{"no GCM", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.NoGCM = true }, "AES/GCM", Fail, fault.NoGCM},
		{"damaged", sks.SoftHSM, func(d *Doctor, _ *memory.Device) {
			b, _ := os.ReadFile(d.Folder.Data(vault.SharedEncp))
			os.WriteFile(d.Folder.Data(vault.SharedEncp), b[:len(b)-1], 0o600)
		}, "files", Fail, fault.Tampered},
		{"another key is named", sks.SoftHSM, func(d *Doctor, _ *memory.Device) {
			b, _ := os.ReadFile(d.Folder.Data(vault.SKSFile))
			before, after, _ := strings.Cut(string(b), "sks.key.id=")
			os.WriteFile(d.Folder.Data(vault.SKSFile), []byte(before+"sks.key.id="+sks.NewKeyID().String()+after[32:]), 0o600)
		}, "files", Fail, fault.WrongKey},
		{"cannot remember", sks.SoftHSM, func(_ *Doctor, m *memory.Device) { m.CannotRemember = true }, "generation", Warn, 0},
		{"orphan", sks.SoftHSM, func(_ *Doctor, m *memory.Device) {
			m.Import(sks.NewKey{ID: sks.NewKeyID(), Label: vault.KeyLabelFor("123456789012") + " -2"}, [32]byte{})
		}, "orphans", Warn, 0},
		{"closed port", sks.ProtectServer, func(d *Doctor, _ *memory.Device) {
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := free.Addr().String()
			free.Close()
			d.LookupEnv = func(string) (string, bool) { return address, true }
		}, "network", Fail, fault.Unreachable},
		{"Luna's server", sks.Luna, func(d *Doctor, _ *memory.Device) {
			server, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Close() })
			_, port, _ := net.SplitHostPort(server.Addr().String())
			dir := t.TempDir()
			os.WriteFile(filepath.Join(dir, "Chrystoki.conf"), []byte("LunaSA Client = {\n ServerName00 = 127.0.0.1;\n ServerPort00 = "+port+";\n}\n"), 0o600)
			d.LookupEnv = func(string) (string, bool) { return dir, true }
		}, "group", Warn, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, m := patient(t, c.vendor)
			c.do(&d, m)
			lines, err := d.Run(context.Background())
			l := line(lines, c.check)
			if l.Level != c.level || l.Hint == "" {
				t.Errorf("%+v of %+v", l, lines)
			}
			if c.level == Fail && (fault.Of(err) != c.cause || l.Exit != c.cause.ExitCode()) {
				t.Errorf("%v, %+v", err, l)
			}
			if c.level != Fail && err != nil {
				t.Errorf("a warning failed: %v", err)
			}
		})
	}
}

// A slot whose token is not initialised has no name to be shown.
func TestTokenThatIsNotInitialised(t *testing.T) {
	d, m := patient(t, sks.SoftHSM)
	m.Token.Serial, m.Token.Label, m.Token.Initialised = "", "", false
	lines, _ := d.Run(context.Background())
	if l := line(lines, "token"); !strings.HasSuffix(l.Text, fmt.Sprintf("is not there; the library sees a token that is not initialised (slot %d)", m.Token.Slot)) {
		t.Errorf("%+v", l)
	}
}

// After a refusal nobody logs in.
func TestNoSecondLogin(t *testing.T) {
	d, m := patient(t, sks.SoftHSM)
	m.PIN = "x"
	before := m.Logins()
	for range 3 {
		if _, err := d.Run(context.Background()); fault.Of(err) != fault.PINRefused {
			t.Error(err)
		}
	}
	if n := m.Logins() - before; n != 1 {
		t.Errorf("%d logins", n)
	}
	d, m = patient(t, sks.SoftHSM)
	before = m.Logins()
	d.NoLogin = true
	if _, err := d.Run(context.Background()); err != nil || m.Logins() != before {
		t.Errorf("%v, %d logins", err, m.Logins()-before)
	}
}

func TestLunaServers(t *testing.T) {
	got := lunaServers(strings.NewReader("LunaSA Client = {\n  ReceiveTimeout = 20000;\n  ServerName00 = hsm1.example.com;\n  ServerPort00 = 1792;\n  ServerHtl00 = 0;\n  ServerName01 = 10.0.0.6;\n}\nServerName02 = ;\n"))
	if want := []string{"hsm1.example.com:1792", "10.0.0.6"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A key that something needs is an old one; a key that nothing needs is named
// with what removes it.
func TestOldKeys(t *testing.T) {
	d, device := patient(t, sks.SoftHSM)
	old := sks.NewKeyID()
	device.Import(sks.NewKey{ID: old, Label: vault.KeyLabelFor("123456789012") + " -2"}, [32]byte{})
	lines, err := d.Run(context.Background())
	if l := line(lines, "orphans"); err != nil || l.Level != Warn || !strings.Contains(l.Hint, "ssovault key retire") {
		t.Errorf("%+v, %v", l, err)
	}
	kept := filepath.Join(d.Folder.Base, "data.before-restore-20261122-000000")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(d.Folder.Data(vault.SKSFile))
	if err != nil {
		t.Fatal(err)
	}
	present := strings.Split(strings.Split(string(b), "sks.key.id=")[1], "\n")[0]
	if err := os.WriteFile(filepath.Join(kept, vault.SKSFile), []byte(strings.ReplaceAll(string(b), present, old.String())), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err = d.Run(context.Background())
	if l := line(lines, "orphans"); err != nil || l.Level != OK || !strings.Contains(l.Text, old.String()) || !strings.Contains(l.Text, filepath.Base(kept)) {
		t.Errorf("%+v, %v", l, err)
	}
}
