//go:build cgo

package admin_test

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// makings are the ways by which an object comes into a token, and the call that
// makes what stays.
var makings = map[string]struct {
	call string
	nth  int
	role sks.Role
	make func(*testing.T, *admin.Device) error
}{
	"generate": {"C_GenerateKey", 1, sks.RoleUser, func(t *testing.T, d *admin.Device) error {
		_, err := d.Generate(t.Context(), described("made", hsm.AES, 256, safe|hsm.Encrypt))
		return err
	}},
	"place": {"C_CreateObject", 2, sks.RoleUser, func(t *testing.T, d *admin.Device) error {
		k := hsm.Key{Type: hsm.AES, Value: secret.New(random(32))}
		kcv, err := k.KCV()
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Place(t.Context(), described("made", hsm.AES, 256, safe|hsm.Encrypt), k.Value, kcv, false)
		return err
	}},
	"trust": {"C_CreateObject", 1, sks.RoleSO, func(t *testing.T, d *admin.Device) error {
		peer, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Trust(t.Context(), "made", []byte{1}, &peer.PublicKey)
		return err
	}},
	"pair": {"C_GenerateKeyPair", 1, sks.RoleUser, func(t *testing.T, d *admin.Device) error {
		_, err := d.Pair(t.Context(), "made", []byte{1})
		return err
	}},
}

// What breaks off half-way is removed, and nothing else: not what somebody's
// broken making has left before.
func TestWhatBreaksOffIsRemoved(t *testing.T) {
	for name, c := range makings {
		t.Run(name, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			d := enter(t, k, m.Path)
			generated(t, d, "before")
			m.Plan("on C_GenerateKey * break-off 0x30", "on C_DestroyObject * return 0x30")
			if _, err := d.Generate(t.Context(), described("old", hsm.AES, 256, safe)); err == nil {
				t.Fatal("made")
			}
			m.Plan()
			_ = d.Close()
			before := k.Snapshot(t)
			if n := len(listed(t, k, k.Library)); n != 2 {
				t.Fatalf("%d keys before: %s", n, before)
			}
			d = loggedIn(t, k, m.Path, c.role)
			m.Reset()
			m.Plan("on "+c.call+" * break-off 0x30", "log")
			if c.nth > 1 { // the trial before it succeeds
				m.Plan("on "+c.call+" 2 break-off 0x30", "log")
			}
			if err := c.make(t, d); err == nil {
				t.Error("made")
			}
			m.Plan()
			_ = d.Close()
			if after := k.Snapshot(t); after != before {
				t.Errorf("left:\n%s\nbefore:\n%s", after, before)
			}
			m.Plan("on "+c.call+" * vanish-halfway", "log")
			if c.nth > 1 {
				m.Reset()
				m.Plan("on "+c.call+" 2 vanish-halfway", "log")
			}
			d = loggedIn(t, k, m.Path, c.role)
			m.Reset()
			if err := c.make(t, d); err == nil {
				t.Error("made")
			}
			m.Plan()
			m.Return()
			_ = d.Close()
			halfway := 0
			for _, one := range listed(t, k, k.Library) {
				if one.Halfway() {
					halfway++
				}
			}
			if halfway < 2 {
				t.Errorf("the fault leaves nothing: %s", k.Snapshot(t))
			}
		})
	}
}

func generated(t *testing.T, d *admin.Device, label string) {
	t.Helper()
	if _, err := d.Generate(t.Context(), described(label, hsm.AES, 256, safe)); err != nil {
		t.Fatal(err)
	}
}
