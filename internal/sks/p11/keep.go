//go:build cgo

package p11

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"

	"ssovault/internal/fault"
	"ssovault/internal/library"
	"ssovault/internal/sks"
)

func ofClass(class uint, id sks.KeyID) []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id[:]),
	}
}

// oneKey finds the key for the raw session, whose handles are its own.
func (s *Store) oneKey(id sks.KeyID) (pkcs11.ObjectHandle, error) {
	found, err := s.find(append(ofClass(pkcs11.CKO_SECRET_KEY, id), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, uint(pkcs11.CKK_AES)))...)
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return 0, fault.New(fault.Unreachable, "token %s shows the key %s to one session and not to another", s.token, id)
	case len(found) > 1:
		return 0, fault.New(fault.KeyAmbiguous, "token %s holds %d keys of id %s", s.token, len(found), id)
	}
	return found[0], nil
}

// KeepCertificate makes der the only certificate beside the key. The new one is
// there before an older one goes.
func (s *Store) KeepCertificate(_ context.Context, id sks.KeyID, label string, der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return fault.Wrap(fault.Malformed, err, "read the certificate")
	}
	serial, err := asn1.Marshal(cert.SerialNumber)
	if err != nil {
		return fault.Wrap(fault.Malformed, err, "read the certificate's serial number")
	}
	others, err := s.find(ofClass(pkcs11.CKO_CERTIFICATE, id)...)
	if err != nil {
		return s.fault(err, "look for certificates of key %s", id)
	}
	same := -1
	for i, o := range others {
		v, err := s.value(o, pkcs11.CKA_VALUE)
		if err != nil && !library.NotTold(err) {
			return s.fault(err, "read a certificate of key %s", id)
		}
		if same < 0 && bytes.Equal(v, der) {
			same = i
		}
	}
	if same >= 0 {
		others = slices.Delete(others, same, same+1)
	} else if _, err := s.create(append(ofClass(pkcs11.CKO_CERTIFICATE, id),
		pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, uint(pkcs11.CKC_X_509)),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_SUBJECT, cert.RawSubject),
		pkcs11.NewAttribute(pkcs11.CKA_ISSUER, cert.RawIssuer),
		pkcs11.NewAttribute(pkcs11.CKA_SERIAL_NUMBER, serial),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, der))...); err != nil {
		return s.fault(err, "store the certificate %q", label)
	}
	if err := s.destroy(others); err != nil {
		return s.fault(err, "remove older certificates of key %s", id)
	}
	return nil
}

// Remove deletes the key of that id and the certificates beside it.
func (s *Store) Remove(_ context.Context, id sks.KeyID) error {
	for _, class := range []uint{pkcs11.CKO_CERTIFICATE, pkcs11.CKO_SECRET_KEY} { // the key last: while it is there, it can be found again
		found, err := s.find(ofClass(class, id)...)
		if err == nil {
			err = s.destroy(found)
		}
		if err != nil {
			return s.fault(err, "remove key %s and what lies beside it", id)
		}
		if len(found) == 0 && class == pkcs11.CKO_SECRET_KEY {
			return s.alive() // or a lost login would look like a key that is gone
		}
	}
	return nil
}

// List gives the sealing keys whose label begins with prefix. AES keys with ids
// of another length are not ours.
func (s *Store) List(_ context.Context, prefix string) (all []sks.KeyInfo, err error) {
	found, err := s.find(
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_SECRET_KEY)),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, uint(pkcs11.CKK_AES)))
	if err != nil {
		return nil, s.fault(err, "list the keys of token %s", s.token)
	}
	if len(found) == 0 {
		return nil, s.alive()
	}
	for _, o := range found {
		info, err := s.readInfo(o)
		switch {
		case errors.Is(err, errNotOurs):
		case err != nil:
			return nil, s.fault(err, "read the attributes of a key in token %s", s.token)
		case strings.HasPrefix(info.Label, prefix):
			all = append(all, info)
		}
	}
	slices.SortFunc(all, func(a, b sks.KeyInfo) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return all, nil
}
