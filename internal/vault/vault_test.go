package vault

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
)

const testInstance = "123456789012"

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// install is a configured folder on a memory device.

type install struct {
	t      *testing.T
	base   string
	device *memory.Device
}

func parse(t *testing.T, text string) *properties.Set {
	t.Helper()
	set, err := properties.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func settings(t *testing.T) Settings {
	return Settings{
		Instance: parse(t, "instance_number="+testInstance+"\ninstance_secret_key=canary-instance\n"),
		Shared:   parse(t, "sso_domain=example.com\nshared_secret_key=canary-shared\nssl_file="+KeyStoreFile+"\n"),
	}
}

func newInstall(t *testing.T) *install {
	base := filepath.Join(t.TempDir(), "base")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	return &install{t, base, memory.New("test", "0123")}
}

func (i *install) open(use Use) *Folder {
	i.t.Helper()
	f, err := Open(context.Background(), i.base, use, time.Second)
	if err != nil {
		i.t.Fatal(err)
	}
	i.t.Cleanup(f.Close)
	return f
}

func (i *install) access() Device {
	return Device{
		Dialer: i.device, Now: func() time.Time { return testTime },
		PINs: pin.Reader{File: filepath.Join(i.base, "sks.pin"), UID: os.Geteuid(), LookupEnv: os.LookupEnv},
	}
}

// plan is the first configuration: a key store taken in, the PIN in sks.pin.

func (i *install) plan() Plan {
	save := Save{Settings: settings(i.t)}
	save.TakeIn(KeyStoreFile, []byte("key store"))
	return Plan{
		Settings: save.Settings, Files: save.Files, Now: testTime, Leaf: leaf(i.t),
		PIN: secret.New([]byte("1234")),
		SKS: &SKS{Type: sks.SoftHSM, Library: "/lib/x.so", Label: "test", Serial: "0123", Role: sks.RoleUser, PIN: pin.Default, Timeouts: sks.DefaultTimeouts},
	}
}

func (i *install) configure() {
	i.t.Helper()
	f := i.open(Change)
	defer f.Close()
	out, err := f.Configure(context.Background(), i.plan(), i.device.Store(), i.device.Token)
	if err != nil {
		i.t.Fatal(err)
	}
	if !out.Remembers || out.Mark.Generation != 1 {
		i.t.Fatalf("outcome %+v", out)
	}
}

// unseal goes the whole way of a start.

func (i *install) unseal(boundFiles bool) (Plain, Rollback, error) {
	f, err := Open(context.Background(), i.base, Read, time.Second)
	if err != nil {
		return Plain{}, Rollback{}, err
	}
	defer f.Close()
	check := BoundMatch
	if boundFiles {
		check = BoundPresent
	}
	c, err := f.Scan(check)
	if err != nil {
		return Plain{}, Rollback{}, err
	}
	if c.Mode == ModeClear {
		return c.Clear, Rollback{}, nil
	}
	store, _, err := f.Connect(context.Background(), c.SKS, i.access())
	if err != nil {
		return Plain{}, Rollback{}, err
	}
	defer store.Close()
	return c.Unseal(context.Background(), store)
}

// change makes one more save with a setting changed.

func (i *install) change(value string) {
	i.t.Helper()
	f := i.open(Change)
	defer f.Close()
	c, err := f.Scan(BoundMatch)
	if err != nil {
		i.t.Fatal(err)
	}
	set := settings(i.t)
	set.Bound = c.Bound
	if err := set.Shared.Set("sso_domain", value); err != nil {
		i.t.Fatal(err)
	}
	if _, err := f.Change(context.Background(), c, Save{Settings: set, Now: testTime}, i.device.Store()); err != nil {
		i.t.Fatal(err)
	}
}

func (i *install) data(name string) string { return filepath.Join(i.base, "data", name) }

func (i *install) read(name string) []byte {
	i.t.Helper()
	b, err := os.ReadFile(i.data(name))
	if err != nil {
		i.t.Fatal(err)
	}
	return b
}

func (i *install) write(name string, b []byte) {
	i.t.Helper()
	if err := os.WriteFile(i.data(name), b, 0o600); err != nil {
		i.t.Fatal(err)
	}
}

func (i *install) wantCause(want fault.Cause) {
	i.t.Helper()
	p, _, err := i.unseal(true)
	if fault.Of(err) != want {
		i.t.Errorf("cause %v (%v); want %v", fault.Of(err), err, want)
	}
	if len(p.Shared) > 0 {
		i.t.Error("it gave settings beside the error")
	}
}

func TestConfigureAndUnseal(t *testing.T) {
	i := newInstall(t)
	i.configure()
	p, r, err := i.unseal(true)
	if err != nil {
		t.Fatal(err)
	}
	if r.Warning() != "" {
		t.Error(r.Warning())
	}
	want := settings(t)
	if !bytes.Equal(p.Shared, want.Shared.Encode()) || !bytes.Equal(p.Instance, want.Instance.Encode()) {
		t.Errorf("it gave %q and %q", p.Instance, p.Shared)
	}
	for _, name := range []string{SKSFile, InstanceEncp, SharedEncp} {
		if bytes.Contains(i.read(name), []byte("canary")) || bytes.Contains(i.read(name), []byte("1234\n")) {
			t.Errorf("%s holds a secret", name)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(i.base, "sks.pin")); string(b) != "1234" {
		t.Errorf("sks.pin holds %q", b)
	}
	if there, _ := durable.Exists(filepath.Join(i.base, "run", "pending-key.json")); there {
		t.Error("the announcement of the key is still there")
	}
	for _, path := range []string{"data", "data/" + SKSFile, "data/" + SharedEncp, "sks.pin", "run", "data/" + KeyStoreFile} {
		info, err := os.Stat(filepath.Join(i.base, path))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if labels := i.device.Labels(); len(labels) != 1 || labels[0] != "SSO Vault Properties "+testInstance {
		t.Errorf("keys %q", labels)
	}
}

// Every row of the table of causes that the folder alone or the key decides.

func TestCauses(t *testing.T) {
	ctx := context.Background()
	keyID := func(i *install) sks.KeyID {
		f := i.open(Read)
		defer f.Close()
		c, err := f.Scan(BoundMatch)
		if err != nil {
			t.Fatal(err)
		}
		return c.SKS.KeyID
	}
	edit := func(name, old, new string) func(*install) {
		return func(i *install) { i.write(name, bytes.Replace(i.read(name), []byte(old), []byte(new), 1)) }
	}
	remove := func(names ...string) func(*install) {
		return func(i *install) {
			for _, n := range names {
				if err := os.Remove(i.data(n)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range []struct {
		name string
		do   func(*install)
		want fault.Cause
	}{
		{"no data folder", func(i *install) { os.RemoveAll(i.data("")) }, fault.NoConfiguration},
		{"empty data folder", remove(SKSFile, InstanceEncp, SharedEncp, KeyStoreFile), fault.NoConfiguration},
		{"no sks.properties", remove(SKSFile), fault.NoConfiguration},
		{"no sks.properties, clear files put there", func(i *install) {
			remove(SKSFile)(i)
			i.write(InstanceClear, []byte("a=1\n"))
			i.write(SharedClear, []byte("a=1\n"))
		}, fault.NoConfiguration},
		{"instance missing", remove(InstanceEncp), fault.FileMissing},
		{"shared missing", remove(SharedEncp), fault.FileMissing},
		{"both missing", remove(InstanceEncp, SharedEncp), fault.FileMissing},
		{"one clear file alone", func(i *install) {
			remove(SKSFile, InstanceEncp, SharedEncp)(i)
			i.write(SharedClear, []byte("a=1\n"))
		}, fault.FileMissing},
		{"clear beside sealed", func(i *install) { i.write(SharedClear, []byte("sso_domain=evil\n")) }, fault.MixedConfiguration},
		{"key store missing", remove(KeyStoreFile), fault.KeyStoreMissing},
		{"key store swapped", func(i *install) { i.write(KeyStoreFile, []byte("evil")) }, fault.Tampered},
		{"newer format", edit(SharedEncp, "file 1\n", "file 2\n"), fault.Malformed},
		{"not ours", func(i *install) { i.write(InstanceEncp, []byte("hello")) }, fault.Malformed},
		{"newer sks.properties", edit(SKSFile, "sks.version=1", "sks.version=2"), fault.Malformed},
		{"no key id", edit(SKSFile, "sks.key.id", "sks.key.xx"), fault.Malformed},
		{"unknown role", edit(SKSFile, "sks.role=user", "sks.role=root"), fault.Malformed},
		{"bad timeout", edit(SKSFile, "sks.version=1", "sks.version=1\nsks.timeout.use=1ns"), fault.Malformed},
		{"damaged", edit(SharedEncp, "generation: 1", "generation: 2"), fault.Tampered},
		{"swapped", func(i *install) {
			a, b := i.read(InstanceEncp), i.read(SharedEncp)
			i.write(InstanceEncp, b)
			i.write(SharedEncp, a)
		}, fault.WrongInstance},
		{"one copied over the other", func(i *install) { i.write(InstanceEncp, i.read(SharedEncp)) }, fault.WrongInstance},
		{"another instance's", edit(SKSFile, "sks.instance="+testInstance, "sks.instance=999999999999"), fault.WrongInstance},
		{"an older one of the two", func(i *install) {
			old := i.read(InstanceEncp)
			i.change("new.example.com")
			i.write(InstanceEncp, old)
		}, fault.MixedConfiguration},
		{"PIN file missing", func(i *install) { os.Remove(filepath.Join(i.base, "sks.pin")) }, fault.PINUnavailable},
		{"PIN file empty", func(i *install) { os.WriteFile(filepath.Join(i.base, "sks.pin"), []byte("\n"), 0o600) }, fault.PINUnavailable},
		{"PIN file open to others", func(i *install) { os.Chmod(filepath.Join(i.base, "sks.pin"), 0o644) }, fault.NotPermitted},
		{"device away", func(i *install) { i.device.Away = true }, fault.Unreachable},
		{"wrong PIN", func(i *install) { i.device.PIN = "another" }, fault.PINRefused},
		{"PIN locked", func(i *install) { i.device.Token.Tries = sks.TriesLocked }, fault.PINLocked},
		{"final try", func(i *install) { i.device.Token.Tries = sks.TriesFinal }, fault.PINRefused},
		{"key missing", func(i *install) { i.device.Clear() }, fault.KeyMissing},
		{"key twice", func(i *install) { i.device.Duplicate(keyID(i)) }, fault.KeyAmbiguous},
		{"key replaced under its id and label", func(i *install) { i.device.Replace(keyID(i)) }, fault.WrongKey},
		{"files name another key", func(i *install) {
			id := keyID(i)
			other := sks.NewKeyID()
			if _, err := i.device.Store().Create(ctx, sks.NewKey{ID: other, Label: "x"}); err != nil {
				t.Fatal(err)
			}
			edit(SKSFile, id.String(), other.String())(i)
		}, fault.WrongKey},
		{"headers name another key, digests made to fit", func(i *install) {
			id := keyID(i)
			for _, n := range []string{SharedEncp, InstanceEncp} {
				i.write(n, resum(bytes.Replace(i.read(n), []byte(id.String()), []byte(strings.Repeat("ab", 16)), 1)))
			}
			i.device.Away = true // it is seen without the device
		}, fault.WrongKey},
		{"one header names another key", func(i *install) {
			id := keyID(i)
			i.write(SharedEncp, resum(bytes.Replace(i.read(SharedEncp), []byte(id.String()), []byte(strings.Repeat("ab", 16)), 1)))
			i.device.Away = true
		}, fault.WrongKey},
		{"no GCM any more", func(i *install) { i.device.NoGCM = true }, fault.NoGCM},
		{"sick", func(i *install) { i.device.Sick = true }, fault.Unreachable},
		{"altered, digest made to fit", func(i *install) {
			b := i.read(SharedEncp)
			b[len(b)-40] ^= 1
			i.write(SharedEncp, resum(b))
		}, fault.Tampered},
		{"altered header, digest made to fit", func(i *install) {
			for _, n := range []string{SharedEncp, InstanceEncp} {
				i.write(n, resum(bytes.Replace(i.read(n), []byte("generation: 1"), []byte("generation: 9"), 1)))
			}
		}, fault.Tampered},
		{"rolled back, refused", func(i *install) {
			a, b, s := i.read(InstanceEncp), i.read(SharedEncp), i.read(SKSFile)
			i.change("new.example.com")
			i.write(InstanceEncp, a)
			i.write(SharedEncp, b)
			i.write(SKSFile, append(s, []byte("rollback=refuse\n")...))
		}, fault.RolledBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newInstall(t)
			i.device.PIN = "1234"
			i.configure()
			c.do(i)
			i.wantCause(c.want)
		})
	}
}

// resum gives a sealed file the digest that fits it: what an attacker would do.

func resum(b []byte) []byte {
	return encpJoin(b[:len(b)-32])
}

func TestRollbackIsWarnedOf(t *testing.T) {
	i := newInstall(t)
	i.configure()
	a, b := i.read(InstanceEncp), i.read(SharedEncp)
	i.change("two.example.com")
	i.write(InstanceEncp, a)
	i.write(SharedEncp, b)
	p, r, err := i.unseal(true)
	if err != nil || !bytes.Contains(p.Shared, []byte("=example.com")) {
		t.Fatal(err)
	}
	if !r.Older || !strings.Contains(r.Warning(), "older state") {
		t.Errorf("rollback %+v", r)
	}
	// A change from here counts on from what the token remembers.
	i.change("three.example.com")
	if _, r, err = i.unseal(true); err != nil || r.Older || r.Files.Generation != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	// Files ahead of the token are accepted, and the token follows.
	i.device.CannotRemember = true
	i.change("four.example.com")
	i.device.CannotRemember = false
	if _, r, err = i.unseal(true); err != nil || r.Older || r.Remembered.Generation != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, r, err = i.unseal(true); err != nil || r.Remembered != r.Files || r.Files.Generation != 4 {
		t.Errorf("the token did not follow: %+v, %v", r, err)
	}
	i.device.CannotRemember = true
	if _, r, err = i.unseal(true); err != nil || !strings.Contains(r.Warning(), "not detected") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestTenWrongStartsCostOneLogin(t *testing.T) {
	i := newInstall(t)
	i.device.PIN = "1234"
	i.configure()
	pinFile := filepath.Join(i.base, "sks.pin")
	if err := os.WriteFile(pinFile, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := i.device.Logins()
	for range 10 {
		i.wantCause(fault.PINRefused)
	}
	if n := i.device.Logins() - before; n != 1 {
		t.Errorf("%d logins", n)
	}
	b, err := os.ReadFile(filepath.Join(i.base, "run", "pin-refused"))
	if err != nil || bytes.Contains(b, []byte("wrong")) {
		t.Errorf("the memory of it: %s, %v", b, err)
	}
	if err := durable.Replace(pinFile, []byte("1234\n")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.unseal(true); err != nil {
		t.Errorf("after the source has changed: %v", err)
	}
	if there, _ := durable.Exists(filepath.Join(i.base, "run", "pin-refused")); there {
		t.Error("the refusal is still remembered")
	}
}

func TestClearAndBack(t *testing.T) {
	i := newInstall(t)
	i.configure()
	f := i.open(Change)
	set := settings(t)
	c, err := f.Scan(BoundPresent)
	if err != nil {
		t.Fatal(err)
	}
	set.Bound = c.Bound
	if err := f.Disable(context.Background(), set, testTime); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, name := range []string{SKSFile, InstanceEncp, SharedEncp} {
		if there, _ := durable.Exists(i.data(name)); there {
			t.Errorf("%s is still there", name)
		}
	}
	p, _, err := i.unseal(true)
	if err != nil || !bytes.Equal(p.Shared, set.Shared.Encode()) {
		t.Fatalf("%s, %v", p.Shared, err)
	}
	if len(i.device.Labels()) != 1 {
		t.Error("the key was removed, and backups need it")
	}
	os.Remove(i.data(KeyStoreFile))
	i.wantCause(fault.KeyStoreMissing)
}

// A key that was made for nothing is removed; one that a save uses never is.

// A key that may be somebody's is never removed, whatever is announced: this

// folder may be a copy whose original went on, or the file a lie.

// A save that is cut off at any of its renames is finished by the next change,

// and followed by readers before that.

// To look at a folder leaves nothing in it.
