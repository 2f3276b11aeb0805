//go:build cgo

package p11

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"ssovault/internal/library"
	"ssovault/internal/sks"
)

// demand is what a sealing key must be, and the word for when it is not.
type demand struct {
	attribute uint
	want      bool
	unsafe    string
	// must: a token that does not tell it is not trusted. The other attributes
	// are powers that a token which does not know them does not have.
	must bool
}

var demands = []demand{
	{pkcs11.CKA_EXTRACTABLE, false, "extractable", true},
	{pkcs11.CKA_SENSITIVE, true, "not sensitive", true},
	{pkcs11.CKA_TOKEN, true, "gone with the session", true},
	{pkcs11.CKA_PRIVATE, true, "not private", true},
	{pkcs11.CKA_MODIFIABLE, false, "modifiable", false},
	{pkcs11.CKA_WRAP, false, "may wrap", false},
	{pkcs11.CKA_UNWRAP, false, "may unwrap", false},
	{pkcs11.CKA_SIGN, false, "may sign", false},
	{pkcs11.CKA_VERIFY, false, "may verify", false},
	{pkcs11.CKA_DERIVE, false, "may derive", false},
	{pkcs11.CKA_ENCRYPT, true, "may not encrypt", false},
	{pkcs11.CKA_DECRYPT, true, "may not decrypt", false},
}

// errNotOurs marks an AES key whose id is not one of ours.
var errNotOurs = errors.New("the key's id is not 16 bytes long")

// readInfo reads back what a key is.
func (s *Store) readInfo(object pkcs11.ObjectHandle) (info sks.KeyInfo, err error) {
	types := []uint{pkcs11.CKA_ID, pkcs11.CKA_LABEL, pkcs11.CKA_VALUE_LEN, pkcs11.CKA_WRAP_WITH_TRUSTED}
	for _, d := range demands {
		types = append(types, d.attribute)
	}
	values, err := s.values(object, types)
	if err != nil {
		return info, err
	}
	if len(values[pkcs11.CKA_ID]) != len(info.ID) {
		return info, errNotOurs
	}
	copy(info.ID[:], values[pkcs11.CKA_ID])
	info.Label = string(values[pkcs11.CKA_LABEL])
	// SoftHSM keeps no length of a key that was unwrapped.
	if n, told := library.Ulong(values[pkcs11.CKA_VALUE_LEN]); told && n != 0 && n*8 != keyBits {
		info.Unsafe = append(info.Unsafe, fmt.Sprintf("%d bits", n*8))
	}
	leaves, guarded := values[pkcs11.CKA_EXTRACTABLE], values[pkcs11.CKA_WRAP_WITH_TRUSTED]
	info.Replicable = len(leaves) > 0 && leaves[0] != 0 && len(guarded) > 0 && guarded[0] != 0
	for _, d := range demands {
		v := values[d.attribute]
		switch {
		case d.attribute == pkcs11.CKA_EXTRACTABLE && info.Replicable:
		case len(v) == 0 && d.must:
			info.Unsafe = append(info.Unsafe, "perhaps "+d.unsafe+" (the token does not tell)")
		case len(v) > 0 && (v[0] != 0) != d.want:
			info.Unsafe = append(info.Unsafe, d.unsafe)
		}
	}
	return info, nil
}

// values reads attributes; those that the token does not tell are missing.
func (s *Store) values(object pkcs11.ObjectHandle, types []uint) (map[uint][]byte, error) {
	session, err := s.objects()
	if err != nil {
		return nil, err
	}
	return session.Values(object, types)
}
