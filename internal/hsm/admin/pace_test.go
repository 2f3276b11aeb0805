//go:build cgo

package admin_test

import (
	"fmt"
	"testing"

	"github.com/miekg/pkcs11"

	"ssovault/internal/hsm/admin"
	"ssovault/internal/p11test"
	"ssovault/internal/sks"
)

// paceObjects is a token as full as one gets.
const paceObjects = 10_000

// BenchmarkKeys holds a list of all keys, with the start of the process, the
// login and the end, against a bare loop over the same objects that reads the
// same attributes in one call each.
func BenchmarkKeys(b *testing.B) {
	k := p11test.Token(b)
	fill(b, k)
	b.Run("bare", func(b *testing.B) {
		for range b.N {
			bare(b, k, func(lib *pkcs11.Ctx, session pkcs11.SessionHandle) {
				if n := readAll(b, lib, session); n != paceObjects {
					b.Fatalf("%d objects", n)
				}
			})
		}
	})
	b.Run("listed", func(b *testing.B) {
		for range b.N {
			d, err := new(admin.Client).Open(k.Library, sks.Timeouts{})
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := d.Tokens(b.Context()); err != nil {
				b.Fatal(err)
			}
			if _, err := d.Login(b.Context(), admin.Login{Serial: k.Serial, Role: sks.RoleUser}, value(k.PIN)); err != nil {
				b.Fatal(err)
			}
			if all, err := d.Keys(b.Context(), "", true); err != nil || len(all) != paceObjects {
				b.Fatal(len(all), err)
			}
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// bare does something in a session of its own, without a helper.
func bare(b *testing.B, k p11test.Tok, do func(*pkcs11.Ctx, pkcs11.SessionHandle)) {
	b.Helper()
	lib := pkcs11.New(k.Library)
	defer lib.Destroy()
	must(b, lib.Initialize())
	defer lib.Finalize()
	slots, err := lib.GetSlotList(true)
	must(b, err)
	for _, slot := range slots {
		if info, err := lib.GetTokenInfo(slot); err != nil || info.SerialNumber != k.Serial {
			continue
		}
		session, err := lib.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		must(b, err)
		must(b, lib.Login(session, pkcs11.CKU_USER, k.PIN))
		do(lib, session)
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// fill makes keys.
func fill(b *testing.B, k p11test.Tok) {
	b.Helper()
	bare(b, k, func(lib *pkcs11.Ctx, session pkcs11.SessionHandle) {
		for i := range paceObjects {
			id := sks.NewKeyID()
			_, err := lib.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_ID, id[:]),
				pkcs11.NewAttribute(pkcs11.CKA_LABEL, fmt.Sprintf("key %05d", i)), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			})
			must(b, err)
		}
	})
}

// readAll finds all objects, and reads each in one call.
func readAll(b *testing.B, lib *pkcs11.Ctx, session pkcs11.SessionHandle) (n int) {
	b.Helper()
	var template []*pkcs11.Attribute
	for _, a := range []uint{pkcs11.CKA_CLASS, pkcs11.CKA_KEY_TYPE, pkcs11.CKA_LABEL, pkcs11.CKA_ID, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_CHECK_VALUE,
		pkcs11.CKA_PRIVATE, pkcs11.CKA_MODIFIABLE, pkcs11.CKA_SENSITIVE, pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP, pkcs11.CKA_EXTRACTABLE, pkcs11.CKA_DERIVE,
		pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY, pkcs11.CKA_WRAP_WITH_TRUSTED, pkcs11.CKA_TRUSTED} {
		template = append(template, pkcs11.NewAttribute(a, nil))
	}
	must(b, lib.FindObjectsInit(session, nil))
	var all []pkcs11.ObjectHandle
	for {
		some, _, err := lib.FindObjects(session, 1000)
		must(b, err)
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	must(b, lib.FindObjectsFinal(session))
	for _, o := range all {
		_, err := lib.GetAttributeValue(session, o, template)
		must(b, err)
	}
	return len(all)
}
