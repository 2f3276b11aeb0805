package vault

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
)

// rekey opens what is there and puts it under a new key in a device.
func (i *install) rekey(to *memory.Device, change func(*Rekeying)) (Rekeyed, error) {
	i.t.Helper()
	plain, rollback, err := i.unseal(false)
	if err != nil {
		i.t.Fatal(err)
	}
	defer plain.Wipe()
	f := i.open(Change)
	defer f.Close()
	c, err := f.Scan(BoundMatch)
	if err != nil {
		i.t.Fatal(err)
	}
	set, err := plain.Parse()
	if err != nil {
		i.t.Fatal(err)
	}
	set.Bound = c.Bound
	r := Rekeying{Contents: c, Settings: set, SKS: c.SKS, Newest: rollback.Remembered.Generation, Now: testTime}
	if change != nil {
		change(&r)
	}
	out, err := f.Rekey(context.Background(), r, to.Store(), to.Token)
	if holds := f.Holds(out.Outcome); holds != (err == nil) {
		i.t.Errorf("the save holds: %v, and the error is %v", holds, err)
	}
	return out, err
}

func (i *install) contents() *Contents {
	i.t.Helper()
	f := i.open(Look)
	defer f.Close()
	c, err := f.Scan(BoundMatch)
	if err != nil {
		i.t.Fatal(err)
	}
	return c
}

func TestRotate(t *testing.T) {
	i := newInstall(t)
	i.configure()
	i.write(SKSFile, append(i.read(SKSFile), []byte("# mine\nrollback=refuse\nsks.timeout.use=7s\n")...))
	was := i.contents()
	before, _, err := i.unseal(true)
	if err != nil {
		t.Fatal(err)
	}
	out, err := i.rekey(i.device, nil)
	if err != nil {
		t.Fatal(err)
	}
	after, r, err := i.unseal(true)
	if err != nil || !bytes.Equal(after.Shared, before.Shared) || !bytes.Equal(after.Instance, before.Instance) {
		t.Errorf("the settings are others: %v", err)
	}
	now := i.contents()
	if now.SKS.KeyID == was.SKS.KeyID || now.SKS.KeyLabel != KeyLabelFor(testInstance)+" -2" || out.Mark.Generation != 2 || r.Older {
		t.Errorf("%+v, %+v", out, r)
	}
	if now.SKS.PIN != was.SKS.PIN || !now.SKS.RefuseRollback || now.SKS.Timeouts != was.SKS.Timeouts || now.Bound != was.Bound ||
		!bytes.Contains(i.read(SKSFile), []byte("# mine\n")) {
		t.Errorf("sks.properties is another:\n%s", i.read(SKSFile))
	}
	if want := []string{KeyLabelFor(testInstance), KeyLabelFor(testInstance) + " -2"}; !slices.Equal(i.device.Labels(), want) {
		t.Errorf("keys %q", i.device.Labels())
	}
	// The test's key store is none: said, and no reason to fail.
	if out.NoCertificate == nil {
		t.Error("there can be no certificate")
	}
}

// A failure leaves the old key in use and no other in the token.
func TestRotateFails(t *testing.T) {
	i := newInstall(t)
	i.configure()
	was := i.contents()
	if _, err := i.rekey(i.device, func(*Rekeying) { i.device.Unsafe = []string{"extractable"} }); fault.Of(err) != fault.NotPermitted {
		t.Errorf("%v", err)
	}
	i.device.Unsafe = nil
	if now := i.contents(); now.Mark() != was.Mark() || len(i.device.Labels()) != 1 {
		t.Errorf("%+v, keys %q", now.Mark(), i.device.Labels())
	}
	if _, _, err := i.unseal(true); err != nil {
		t.Error(err)
	}
}

func TestMigrate(t *testing.T) {
	i := newInstall(t)
	i.configure()
	old := i.device
	// An older state was put back: what the token that is left remembers counts.
	a, b := i.read(InstanceEncp), i.read(SharedEncp)
	for _, value := range []string{"two.example.com", "three.example.com"} {
		i.change(value)
	}
	i.write(InstanceEncp, a)
	i.write(SharedEncp, b)
	to := memory.New("other", "4567")
	out, err := i.rekey(to, func(r *Rekeying) { r.PIN = secret.New([]byte("another")) })
	if err != nil {
		t.Fatal(err)
	}
	if out.Mark.Generation != 4 || out.SKS.Serial != "4567" || out.SKS.KeyLabel != KeyLabelFor(testInstance) {
		t.Errorf("%+v", out)
	}
	i.device = to
	if _, r, err := i.unseal(true); err != nil || r.Older {
		t.Errorf("%+v, %v", r, err)
	}
	if len(old.Labels()) != 1 || len(to.Labels()) != 1 {
		t.Errorf("keys %q and %q", old.Labels(), to.Labels())
	}
	for path, want := range map[string]string{filepath.Join(i.base, "sks.pin"): "another", out.KeptPIN: "1234"} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	// Another PIN within the same second is kept too.
	second := memory.New("second", "5")
	if out, err = i.rekey(second, func(r *Rekeying) { r.PIN = secret.New([]byte("a third")) }); err != nil {
		t.Fatal(err)
	}
	i.device = second
	if b, err := os.ReadFile(out.KeptPIN); err != nil || string(b) != "another" {
		t.Errorf("%s: %v", out.KeptPIN, err)
	}
	// The same PIN replaces nothing.
	again := memory.New("third", "89")
	if out, err = i.rekey(again, func(r *Rekeying) { r.PIN = secret.New([]byte("a third")) }); err != nil || out.KeptPIN != "" {
		t.Errorf("kept in %q, %v", out.KeptPIN, err)
	}
}

func TestMigrateFromTheClear(t *testing.T) {
	i := newInstall(t)
	i.configure()
	set := settings(t)
	set.Bound = i.contents().Bound
	f := i.open(Change)
	if err := f.Disable(context.Background(), set, testTime); err != nil {
		t.Fatal(err)
	}
	f.Close()
	to := memory.New("other", "4567")
	_, err := i.rekey(to, func(r *Rekeying) {
		r.SKS = SKS{Type: sks.SoftHSM, Library: "/lib/x.so", Role: sks.RoleUser, PIN: pin.Default, Timeouts: sks.DefaultTimeouts}
		r.PIN = secret.New([]byte("another"))
	})
	if err != nil {
		t.Fatal(err)
	}
	i.device = to
	p, _, err := i.unseal(true)
	if err != nil || !bytes.Equal(p.Shared, set.Shared.Encode()) {
		t.Errorf("%s, %v", p.Shared, err)
	}
	for _, name := range clearFiles {
		if there, err := durable.Exists(i.data(name)); there || err != nil {
			t.Errorf("data/%s is still there (%v)", name, err)
		}
	}
}

func TestWhatCannotBeRekeyed(t *testing.T) {
	sealed := &Contents{Mode: ModeSealed, SKS: SKS{Serial: "1", Role: sks.RoleUser}}
	asCU := &Contents{Mode: ModeSealed, SKS: SKS{Serial: "1", Role: sks.RoleCryptoUser}}
	inClear := &Contents{Mode: ModeClear}
	for name, c := range map[string]struct {
		err  error
		want fault.Cause
	}{
		"rotate":                      {sealed.CanRotate(), fault.Unclassified},
		"rotate as a Crypto User":     {asCU.CanRotate(), fault.NotPermitted},
		"rotate in the clear":         {inClear.CanRotate(), fault.Usage},
		"migrate":                     {sealed.CanMigrate(sks.Token{Serial: "2"}), fault.Unclassified},
		"migrate as a Crypto User":    {asCU.CanMigrate(sks.Token{Serial: "2"}), fault.Unclassified},
		"migrate to where it is":      {sealed.CanMigrate(sks.Token{Serial: "1"}), fault.Usage},
		"migrate back from the clear": {inClear.CanMigrate(sks.Token{Serial: ""}), fault.Unclassified},
	} {
		if fault.Of(c.err) != c.want || (c.err == nil) != (c.want == fault.Unclassified) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	i := newInstall(t)
	i.configure()
	_, err := i.rekey(i.device, func(r *Rekeying) {
		if err := r.Settings.Instance.Set("instance_number", "1"); err != nil {
			t.Fatal(err)
		}
	})
	if fault.Of(err) != fault.Malformed {
		t.Errorf("an instance without a number: %v", err)
	}
}

// What an earlier run made for nothing does not count when a dry run says which
// label the new key would have, and nothing changes.
func TestWould(t *testing.T) {
	i := newInstall(t)
	i.configure()
	f := i.open(Change)
	defer f.Close()
	c, err := f.Scan(BoundMatch)
	if err != nil {
		t.Fatal(err)
	}
	r := Rekeying{Contents: c, Settings: settings(t)}
	second := KeyLabelFor(testInstance) + " -2"
	for _, pending := range []bool{false, true} {
		if pending {
			p := PendingKey{Serial: i.device.Token.Serial, KeyID: sks.NewKeyID(), Instance: testInstance, Generation: 1}
			if err := f.announce(p); err != nil {
				t.Fatal(err)
			}
			i.device.Import(sks.NewKey{ID: p.KeyID, Label: second}, [32]byte{1})
		}
		if got, err := f.Would(context.Background(), r, i.device.Store(), i.device.Token); err != nil || got != second {
			t.Errorf("announced %v: %q, %v", pending, got, err)
		}
	}
	if len(i.device.Labels()) != 2 {
		t.Errorf("keys %q", i.device.Labels())
	}
	// The next run removes it, since its label is one that ssovault gives.
	f.Close()
	if _, err := i.rekey(i.device, nil); err != nil || len(i.device.Labels()) != 2 {
		t.Errorf("keys %q, %v", i.device.Labels(), err)
	}
}

// A key that was made for nothing in a token that went away is not forgotten
// when the next one is made elsewhere: the next run that uses its token removes
// it.
func TestKeyMadeForNothingElsewhere(t *testing.T) {
	i := newInstall(t)
	i.configure()
	away := memory.New("away", "a/../b")
	p := PendingKey{Label: "away", Serial: away.Token.Serial, KeyID: sks.NewKeyID(), Instance: testInstance, Generation: 1}
	away.Import(sks.NewKey{ID: p.KeyID, Label: KeyLabelFor(testInstance)}, [32]byte{1})
	f := i.open(Change)
	if err := f.announce(p); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := i.rekey(i.device, nil); err != nil {
		t.Fatal(err)
	}
	pending := func() ([]PendingKey, error) {
		f := i.open(Look)
		defer f.Close()
		return f.Pending()
	}
	if left, err := pending(); err != nil || len(left) != 1 || left[0].KeyID != p.KeyID {
		t.Fatalf("announced: %+v, %v", left, err)
	}
	if _, err := i.rekey(away, nil); err != nil {
		t.Fatal(err)
	}
	i.device = away
	if labels := away.Labels(); len(labels) != 1 || i.contents().SKS.KeyID == p.KeyID {
		t.Errorf("keys %q", labels)
	}
	if left, err := pending(); err != nil || len(left) != 0 {
		t.Errorf("still announced: %+v, %v", left, err)
	}
}
