//go:build cgo

package p11

import (
	"errors"

	"github.com/miekg/pkcs11"
)

const (
	// findAtOnce is how many handles one C_FindObjects may give. Fewer are the
	// last ones.
	findAtOnce = 64
	// maxObjects bounds a search in a token that others fill.
	maxObjects = 1 << 14
)

// begin opens the session at its first use. C_Finalize ends it.
func (s *Store) begin() (pkcs11.SessionHandle, error) {
	if s.raw.session == 0 {
		h, err := s.raw.lib.OpenSession(s.token.Slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return 0, err
		}
		s.raw.session = h
	}
	return s.raw.session, nil
}

// find gives the handles of all objects that match the template.
func (s *Store) find(template ...*pkcs11.Attribute) (all []pkcs11.ObjectHandle, err error) {
	session, err := s.begin()
	if err != nil {
		return nil, err
	}
	if err := s.raw.lib.FindObjectsInit(session, template); err != nil {
		return nil, err
	}
	defer func() {
		if endErr := s.raw.lib.FindObjectsFinal(session); err == nil {
			err = endErr
		}
	}()
	for len(all) < maxObjects {
		some, _, err := s.raw.lib.FindObjects(session, findAtOnce)
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

// create makes an object.
func (s *Store) create(template ...*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
	session, err := s.begin()
	if err != nil {
		return 0, err
	}
	return s.raw.lib.CreateObject(session, template)
}

// destroy deletes objects, and goes on after one that could not be.
func (s *Store) destroy(all []pkcs11.ObjectHandle) error {
	if len(all) == 0 {
		return nil
	}
	session, err := s.begin()
	if err != nil {
		return err
	}
	var first error
	for _, h := range all {
		if err := s.raw.lib.DestroyObject(session, h); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// value reads one attribute; nil when the token does not tell it.
func (s *Store) value(object pkcs11.ObjectHandle, attribute uint) ([]byte, error) {
	session, err := s.begin()
	if err != nil {
		return nil, err
	}
	got, err := s.raw.lib.GetAttributeValue(session, object, []*pkcs11.Attribute{pkcs11.NewAttribute(attribute, nil)})
	if err != nil {
		return nil, err
	}
	return got[0].Value, nil
}
