//go:build cgo

package admin_test

import (
	"testing"

	"github.com/miekg/pkcs11"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
)

// halfMade leaves half a key of each kind that ssovault makes.
func halfMade(t *testing.T, k p11test.Tok, m *p11test.Module) (n int) {
	t.Helper()
	for _, c := range []struct {
		kind hsm.KeyType
		bits int
		a    hsm.Attributes
	}{
		{hsm.AES, 256, safe | hsm.Encrypt | hsm.Sign}, {hsm.AES, 128, safe | hsm.Unwrap}, {hsm.DES3, 192, safe | hsm.Encrypt | hsm.Sign}, {hsm.DES3, 128, safe},
	} {
		d := loggedIn(t, k, m.Path, sks.RoleUser)
		m.Plan("on C_GenerateKey * vanish-halfway")
		if _, err := d.Generate(t.Context(), described("half", c.kind, c.bits, c.a)); err == nil {
			t.Fatal("made")
		}
		m.Plan()
		m.Return()
		_ = d.Close()
		n++
	}
	d := loggedIn(t, k, m.Path, sks.RoleUser)
	m.Plan("on C_GenerateKeyPair * vanish-halfway")
	if _, err := d.Pair(t.Context(), "half", []byte{1}); err == nil {
		t.Fatal("made")
	}
	m.Plan()
	m.Return()
	_ = d.Close()
	return n + 1
}

// A key of which the token tells no value is not one that has none: only what
// is proved to have none is half made.
func TestOnlyWhatHasNoValueIsHalfMade(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	whole := 0
	for _, keyType := range []uint{pkcs11.CKK_AES, pkcs11.CKK_GENERIC_SECRET, pkcs11.CKK_DES3} {
		for _, uses := range [][]uint{nil, {pkcs11.CKA_UNWRAP, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY}, {pkcs11.CKA_VERIFY}, {pkcs11.CKA_UNWRAP}, {pkcs11.CKA_DECRYPT}} {
			k.Nameless(t, keyType, uses)
			whole++
		}
		// It refuses the mechanisms of a trial as half a key does.
		k.Nameless(t, keyType, []uint{pkcs11.CKA_ENCRYPT, pkcs11.CKA_SIGN}, pkcs11.CKM_AES_CBC)
		whole++
	}
	for _, uses := range [][]uint{nil, {pkcs11.CKA_SIGN}, {pkcs11.CKA_UNWRAP}, {pkcs11.CKA_DECRYPT}} {
		k.Nameless(t, pkcs11.CKK_RSA, uses)
		whole++
	}
	judged := func(halves, unproven int) {
		t.Helper()
		all := listed(t, k, m.Path)
		for _, one := range all {
			if one.Halfway() {
				halves--
			}
			if one.Unproven() {
				unproven--
			}
		}
		if halves != 0 || unproven != 0 {
			t.Errorf("%d too few half made, %d too few unproven: %+v", halves, unproven, all)
		}
	}
	before := k.Snapshot(t)
	judged(0, whole-4) // RSA tells its modulus
	n := halfMade(t, k, m)
	full := k.Snapshot(t)
	judged(n, whole-4)
	// A token that lets no key be digested, or none but its own be made, proves
	// nothing of secret keys; one that digests wrongly neither.
	for _, plan := range []string{"on C_DigestKey * return 0x67", "on C_DigestKey * return 0x54", "on C_DigestInit * return 0x70", "on C_CreateObject * return 0x13", "on C_DigestFinal * flip", "on C_DigestKey * return 0x5"} {
		m.Plan(plan)
		judged(1, whole-4+n-1)
	}
	for _, call := range []string{"C_DigestInit", "C_DigestKey", "C_DigestFinal", "C_CreateObject", "C_DestroyObject"} {
		m.Plan("on " + call + " * return 0x32") // the device is away
		d := enter(t, k, m.Path)
		if all, err := d.Keys(t.Context(), "", false); fault.Of(err) != fault.Unreachable {
			t.Errorf("%s: %v, %v", call, all, err)
		}
		m.Plan()
		_ = d.Close()
	}
	if now := k.Snapshot(t); now != full || now == before {
		t.Errorf("looking changed the token:\n%s", now)
	}
}
