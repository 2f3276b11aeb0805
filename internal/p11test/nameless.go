//go:build cgo

package p11test

import (
	"slices"
	"testing"

	"github.com/miekg/pkcs11"
)

// Nameless brings a whole key without label and id into the token, by
// C_UnwrapKey: SoftHSM tells neither length nor check value of a secret one. It
// is private, never leaves, and may do what uses say (CKA_SIGN …). The key type
// is AES, generic, DES3, or RSA, which makes a private key. More are added to the
// template. On SoftHSM no other process should log in at that moment.
func (k Tok) Nameless(t testing.TB, keyType uint, uses []uint, more ...*pkcs11.Attribute) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lib := pkcs11.New(k.Library)
	must(lib.Initialize())
	defer lib.Destroy()
	defer lib.Finalize()
	var session pkcs11.SessionHandle
	slots, err := lib.GetSlotList(true)
	must(err)
	for _, slot := range slots {
		if info, err := lib.GetTokenInfo(slot); err == nil && info.SerialNumber == k.Serial {
			session, err = lib.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
			must(err)
		}
	}
	must(lib.Login(session, pkcs11.CKU_USER, k.PIN))
	yes := func(types ...uint) (all []*pkcs11.Attribute) {
		for _, one := range types {
			all = append(all, pkcs11.NewAttribute(one, true))
		}
		return all
	}
	by := func(mechanism uint) []*pkcs11.Mechanism {
		return []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}
	}
	length := pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 24)
	wrapper, err := lib.GenerateKey(session, by(pkcs11.CKM_AES_KEY_GEN), append(yes(pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP), length))
	must(err)
	class, value := uint(pkcs11.CKO_SECRET_KEY), pkcs11.ObjectHandle(0)
	switch keyType {
	case pkcs11.CKK_RSA:
		class = pkcs11.CKO_PRIVATE_KEY
		_, value, err = lib.GenerateKeyPair(session, by(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN),
			[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})}, yes(pkcs11.CKA_EXTRACTABLE))
	case pkcs11.CKK_DES3:
		value, err = lib.GenerateKey(session, by(pkcs11.CKM_DES3_KEY_GEN), yes(pkcs11.CKA_EXTRACTABLE))
	default:
		value, err = lib.GenerateKey(session, by(pkcs11.CKM_AES_KEY_GEN), append(yes(pkcs11.CKA_EXTRACTABLE), length))
	}
	must(err)
	const wrapPad = 0x210A // CKM_AES_KEY_WRAP_PAD
	wrapped, err := lib.WrapKey(session, by(wrapPad), wrapper, value)
	must(err)
	template := append(yes(pkcs11.CKA_TOKEN, pkcs11.CKA_PRIVATE, pkcs11.CKA_SENSITIVE),
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false))
	for _, use := range []uint{pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP} {
		if class == pkcs11.CKO_SECRET_KEY || use != pkcs11.CKA_ENCRYPT && use != pkcs11.CKA_VERIFY && use != pkcs11.CKA_WRAP {
			template = append(template, pkcs11.NewAttribute(use, slices.Contains(uses, use)))
		}
	}
	_, err = lib.UnwrapKey(session, by(wrapPad), wrapper, wrapped, append(template, more...))
	must(err)
}
