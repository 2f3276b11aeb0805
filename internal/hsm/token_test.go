package hsm

import (
	"bytes"
	"testing"

	"github.com/miekg/pkcs11"

	"ssovault/internal/p11test"
	"ssovault/internal/secret"
)

// A token has the same check values for keys of components, and unwraps what
// the frozen files hold to the key that they name.
func TestTokenAgrees(t *testing.T) {
	k := p11test.Token(t)
	ctx := pkcs11.New(k.Library)
	if ctx == nil {
		t.Fatalf("%s does not load", k.Library)
	}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("initialize", ctx.Initialize())
	t.Cleanup(func() {
		_ = ctx.Finalize() // the test is over
		ctx.Destroy()
	})
	slots, err := ctx.GetSlotList(true)
	must("list slots", err)
	var session pkcs11.SessionHandle
	for _, s := range slots {
		info, err := ctx.GetTokenInfo(s)
		must("token info", err)
		if info.SerialNumber == k.Serial {
			session, err = ctx.OpenSession(s, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
			must("open a session", err)
		}
	}
	must("log in", ctx.Login(session, pkcs11.CKU_USER, k.PIN))

	create := func(key Key, more ...*pkcs11.Attribute) pkcs11.ObjectHandle {
		t.Helper()
		h, err := ctx.CreateObject(session, append([]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, cryptokiType(key)),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, key.Value.Bytes()),
		}, more...))
		must("create a key", err)
		return h
	}
	agrees := func(key Key) {
		t.Helper()
		got, err := ctx.GetAttributeValue(session, create(key), []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CHECK_VALUE, nil)})
		must("ask for the check value", err)
		if want, err := key.KCV(); err != nil || len(got) != 1 || !bytes.Equal(got[0].Value, want[:]) {
			t.Errorf("%s %d: the token has %X, we have %s, %v", key.Type, key.Bits(), got[0].Value, want, err)
		}
	}
	agrees(component(t, DES3, known).Key)
	for _, c := range []struct {
		t    KeyType
		bits int
	}{{AES, 128}, {AES, 192}, {AES, 256}, {DES3, 128}, {DES3, 192}} {
		components, key, err := Generate(c.t, c.bits, 3)
		must("generate", err)
		agrees(key)
		agrees(components[0].Key)
	}

	for _, v := range exportVectors(t) {
		number, there := map[Mechanism]uint{KWP: pkcs11.CKM_AES_KEY_WRAP_PAD, KW: pkcs11.CKM_AES_KEY_WRAP}[v.Mechanism]
		if !there { // SoftHSM does not wrap with Triple-DES
			continue
		}
		x, err := ParseExported(v.encode(t))
		must("parse", err)
		h, err := ctx.UnwrapKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(number, nil)},
			create(v.wrapper, pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, true)), x.Wrapped, []*pkcs11.Attribute{
				pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
				pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, cryptokiType(Key{Type: x.Type, Value: secret.New(make([]byte, x.Bits/8))})),
				pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
				pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
			})
		must("unwrap "+v.file, err)
		ecb := uint(pkcs11.CKM_AES_ECB)
		if x.Type == DES3 {
			ecb = pkcs11.CKM_DES3_ECB
		}
		must("begin to encrypt", ctx.EncryptInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(ecb, nil)}, h))
		block, err := ctx.Encrypt(session, make([]byte, x.Type.BlockSize()))
		must("encrypt", err)
		if !x.KCV.Equal(KCV(block[:3])) {
			t.Errorf("%s: the token unwraps a key of KCV %X, not %s", v.file, block[:3], x.KCV)
		}
	}
}

// cryptokiType gives the CKK_ number: a Triple-DES key of two keys has its own.
func cryptokiType(k Key) uint {
	switch {
	case k.Type == AES:
		return pkcs11.CKK_AES
	case k.Bits() == 128:
		return pkcs11.CKK_DES2
	}
	return pkcs11.CKK_DES3
}
