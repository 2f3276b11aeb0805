//go:build cgo

package admin

import (
	"testing"

	"github.com/miekg/pkcs11"

	"ssovault/internal/hsm"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
)

// A making that fails removes half a key, but no key that came meanwhile and
// works, though the token tells no value of it.
func TestWhatWorksIsNotTidiedAway(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	k.Nameless(t, pkcs11.CKK_AES, []uint{pkcs11.CKA_SIGN})
	k.Nameless(t, pkcs11.CKK_GENERIC_SECRET, nil)
	before := k.Snapshot(t)
	var s server
	if err := s.outside(request{Op: opLogin, Library: m.Path, Login: Login{Serial: k.Serial, Role: sks.RoleUser}}, []byte(k.PIN), &response{}); err != nil {
		t.Fatal(err)
	}
	id := sks.NewKeyID()
	lost := NewKey{ID: id[:], Label: "lost", Type: hsm.AES, Bits: 256, Attributes: hsm.Private | hsm.Sensitive}
	// The token does not say no, and keeps the half while it cannot be removed.
	m.Plan("on C_GenerateKey * break-off 0x30", "on C_DestroyObject * return 0x30")
	err := s.generate(lost, &response{})
	m.Plan()
	if err == nil {
		t.Fatal("made")
	}
	all, err := s.session.Find()
	if err != nil || len(all) < 3 {
		t.Fatalf("%d objects, %v", len(all), err)
	}
	if err := s.tidy(lost, nil); err == nil { // as if nothing had been there before
		t.Error("nothing is said of what stays")
	}
	if err := s.leave(); err != nil {
		t.Error(err)
	}
	if now := k.Snapshot(t); now != before {
		t.Errorf("left:\n%s\nbefore:\n%s", now, before)
	}
}
