//go:build cgo

package p11

import (
	"github.com/miekg/pkcs11"

	"ssovault/internal/library"
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

// objects is the session for finding and reading, opened at its first use.
func (s *Store) objects() (library.Session, error) {
	h, err := s.begin()
	return library.Session{Lib: s.raw.lib, Handle: h}, err
}

// find gives the handles of all objects that match the template.
func (s *Store) find(template ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	session, err := s.objects()
	if err != nil {
		return nil, err
	}
	return session.Find(template...)
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
	session, err := s.objects()
	if err != nil {
		return nil, err
	}
	return session.Value(object, attribute)
}
