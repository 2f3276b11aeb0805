//go:build cgo

package library

import (
	"encoding/binary"
	"errors"

	"github.com/miekg/pkcs11"
)

const (
	// findAtOnce is how many handles one C_FindObjects may give. Fewer are the
	// last ones.
	findAtOnce = 64
	// maxObjects bounds a search in a token that others fill.
	maxObjects = 1 << 16
)

// Session is a session with a token, and the library it is of.
type Session struct {
	Lib    *pkcs11.Ctx
	Handle pkcs11.SessionHandle
}

// Find gives the handles of all objects that match the template.
func (s Session) Find(template ...*pkcs11.Attribute) (all []pkcs11.ObjectHandle, err error) {
	if err := s.Lib.FindObjectsInit(s.Handle, template); err != nil {
		return nil, err
	}
	defer func() {
		if endErr := s.Lib.FindObjectsFinal(s.Handle); err == nil {
			err = endErr
		}
	}()
	for len(all) < maxObjects {
		some, _, err := s.Lib.FindObjects(s.Handle, findAtOnce)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < findAtOnce {
			return all, nil
		}
	}
	return nil, errors.New("the token holds too many objects of one kind")
}

// Value reads one attribute.
func (s Session) Value(object pkcs11.ObjectHandle, attribute uint) ([]byte, error) {
	got, err := s.Lib.GetAttributeValue(s.Handle, object, []*pkcs11.Attribute{pkcs11.NewAttribute(attribute, nil)})
	if err != nil {
		return nil, err
	}
	return got[0].Value, nil
}

// Values reads attributes in one go, or one by one from a token that answers
// nothing at all when it does not know one of them: those are then missing.
func (s Session) Values(object pkcs11.ObjectHandle, types []uint) (map[uint][]byte, error) {
	template := make([]*pkcs11.Attribute, len(types))
	for i, t := range types {
		template[i] = pkcs11.NewAttribute(t, nil)
	}
	values := make(map[uint][]byte, len(types))
	got, err := s.Lib.GetAttributeValue(s.Handle, object, template)
	if err == nil {
		for _, a := range got {
			values[a.Type] = a.Value
		}
		return values, nil
	}
	if !NotTold(err) {
		return nil, err
	}
	for _, t := range types {
		v, err := s.Value(object, t)
		switch {
		case err == nil:
			values[t] = v
		case !NotTold(err):
			return nil, err
		}
	}
	return values, nil
}

// NotTold tells whether a token only does not know an attribute, or keeps it to
// itself.
func NotTold(err error) bool {
	return errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_TYPE_INVALID)) ||
		errors.Is(err, pkcs11.Error(pkcs11.CKR_ATTRIBUTE_SENSITIVE))
}

// Ulong reads a CK_ULONG of this machine.
func Ulong(b []byte) (n uint64, ok bool) {
	switch len(b) {
	case 8:
		return binary.NativeEndian.Uint64(b), true
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), true
	}
	return 0, false
}
