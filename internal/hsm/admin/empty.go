//go:build cgo

package admin

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/hsm"
	"ssovault/internal/secret"
)

// judge proves of a key without a name, of which no value is told, that it has
// none, where the token lets that be proved. A token may keep a value to itself:
// SoftHSM tells neither length nor check value of a key that was unwrapped. Nor
// is it a proof that a key cannot be used: CKA_ALLOWED_MECHANISMS has the same
// answer. Cause Unreachable where the token fails meanwhile.
func (s *server) judge(k *Key) (err error) {
	switch {
	case !k.valueless():
	case k.Class == SecretKey:
		k.Empty, err = s.digestsToNothing(*k)
		if err == nil && k.Empty {
			k.Empty = !s.works(*k)
		}
	case k.Class != Unreadable:
		// CKA_MODULUS is told of every whole RSA key (PKCS#11 2.40, 2.1.2 and 2.1.3).
		// Using one without a modulus crashes SoftHSM 2.6: it is not tried.
		var modulus []byte
		modulus, err = s.session.Value(pkcs11.ObjectHandle(k.Handle), pkcs11.CKA_MODULUS)
		k.Empty = err == nil && len(modulus) == 0
		err = s.unlessRefused(err)
	}
	return err
}

// likes are the types of keys that can be compared with a whole one, and its
// length.
var likes = map[string]struct {
	keyType uint
	length  int
}{
	string(hsm.AES):  {pkcs11.CKK_AES, 32},
	string(hsm.DES3): {pkcs11.CKK_DES3, 24},
	"generic":        {pkcs11.CKK_GENERIC_SECRET, 32},
}

// digestsToNothing tells whether the digest of a key is that of no bytes, while
// that of a whole key of the same type, made for the trial, is that of its value.
// C_DigestKey asks for no attribute, so that every secret key can be tried. The
// digest never leaves this process.
func (s *server) digestsToNothing(k Key) (bool, error) {
	like, known := likes[k.Type]
	if !known {
		return false, nil
	}
	nothing, err := s.digestsTo(pkcs11.ObjectHandle(k.Handle), nil)
	if err != nil || !nothing {
		return false, s.unlessRefused(err)
	}
	value := bytes.Repeat([]byte{0x01, 0x0E, 0x13, 0x1C}, like.length/4) // of odd parity; nothing is secret of it
	whole, err := s.lib.CreateObject(s.session.Handle, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_SECRET_KEY)),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, like.keyType),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false), // the security officer makes no other
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, value),
	})
	if err != nil {
		return false, s.unlessRefused(err)
	}
	told, err := s.digestsTo(whole, value)
	if endErr := s.lib.DestroyObject(s.session.Handle, whole); err == nil {
		err = endErr
	}
	return err == nil && told, s.unlessRefused(err)
}

// digestsTo tells whether the digest of a key is that of a value.
func (s *server) digestsTo(object pkcs11.ObjectHandle, value []byte) (bool, error) {
	if err := s.lib.DigestInit(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_SHA256, nil)}); err != nil {
		return false, err
	}
	keyErr := s.lib.DigestKey(s.session.Handle, object)
	digest, err := s.lib.DigestFinal(s.session.Handle) // also ends what a refusal left begun
	defer secret.Wipe(digest)
	if keyErr != nil {
		return false, keyErr
	}
	want := sha256.Sum256(value)
	return err == nil && bytes.Equal(digest, want[:]), err
}

// gone are the codes by which a token says that it, or the session, is lost. Any
// other proves nothing of a key, and must not keep the rest from being listed.
var gone = []pkcs11.Error{
	pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_USER_NOT_LOGGED_IN,
	pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED,
}

// unlessRefused drops a token's no, after which nothing is proved.
func (s *server) unlessRefused(err error) error {
	if slices.ContainsFunc(gone, func(code pkcs11.Error) bool { return errors.Is(err, code) }) {
		return s.fault(err, "try a key without a name in the token %s", s.token)
	}
	return nil
}

// works tells whether a key encrypts or signs, as far as it may.
func (s *server) works(k Key) bool {
	block, mac, size := uint(cryptoki.AESECB), uint(pkcs11.CKM_AES_CMAC), 16
	switch k.Type {
	case string(hsm.DES3):
		block, mac, size = cryptoki.DES3ECB, pkcs11.CKM_DES3_CMAC, 8
	case "generic":
		block, mac = 0, pkcs11.CKM_SHA256_HMAC
	}
	object, zeros := pkcs11.ObjectHandle(k.Handle), make([]byte, size)
	if block != 0 && k.Attributes.Has(hsm.Encrypt) &&
		s.lib.EncryptInit(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(block, nil)}, object) == nil {
		if _, err := s.lib.Encrypt(s.session.Handle, zeros); err == nil {
			return true
		}
	}
	if k.Attributes.Has(hsm.Sign) && s.lib.SignInit(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(mac, nil)}, object) == nil {
		if _, err := s.lib.Sign(s.session.Handle, zeros); err == nil {
			return true
		}
	}
	return false
}
