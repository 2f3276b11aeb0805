//go:build cgo

package admin

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"ssovault/internal/hsm"
)

// kcvSize is how much of the encryption of a zero block is shown (AS 2805.6.3).
const kcvSize = 3

// calculated gives a check value that the token does not tell: by encrypting a
// zero block, where the key may encrypt and the token offers the mechanism. ""
// where that cannot be.
func (s *server) calculated(k Key) (string, error) {
	mechanism, block := uint(pkcs11.CKM_AES_ECB), 16
	switch {
	case k.Class != SecretKey || !k.Attributes.Has(hsm.Encrypt):
		return "", nil
	case k.Type == string(hsm.DES3):
		mechanism, block = pkcs11.CKM_DES3_ECB, 8
	case k.Type != string(hsm.AES):
		return "", nil
	}
	err := s.lib.EncryptInit(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, pkcs11.ObjectHandle(k.Handle))
	if errors.Is(err, pkcs11.Error(pkcs11.CKR_MECHANISM_INVALID)) || errors.Is(err, pkcs11.Error(pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED)) {
		return "", nil
	}
	var box []byte
	if err == nil {
		box, err = s.lib.Encrypt(s.session.Handle, make([]byte, block))
	}
	if err == nil && len(box) != block {
		err = fmt.Errorf("a block of %d bytes became %d", block, len(box))
	}
	if err != nil {
		return "", s.fault(err, "calculate the check value of the key %s", k)
	}
	return fmt.Sprintf("%X", box[:kcvSize]), nil
}
