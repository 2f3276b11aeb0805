//go:build cgo

package p11

import (
	"context"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// Key finds the one AES key of that id. The Info of it holds the id alone: each
// attribute would cost two calls at every start; List reads them all.
func (s *Store) Key(_ context.Context, id sks.KeyID) (sks.Key, error) {
	k, err := s.lookUp(id)
	if err != nil {
		return nil, err
	}
	if k == nil {
		if err := s.alive(); err != nil {
			return nil, err
		}
		return nil, fault.New(fault.KeyMissing, "token %s holds no key %s", s.token, id)
	}
	return k, nil
}

// lookUp gives nil where no key was seen, which is not yet to say that there is
// none.
func (s *Store) lookUp(id sks.KeyID) (*key, error) {
	template := crypto11.NewAttributeSet()
	if err := setAll(template, map[crypto11.AttributeType]any{
		crypto11.CkaId:      id[:],
		crypto11.CkaKeyType: uint(pkcs11.CKK_AES),
	}); err != nil {
		return nil, err
	}
	var keys []*crypto11.SecretKey
	err := guard(func() (err error) {
		keys, err = s.ctx.FindKeysWithAttributes(template)
		return err
	})
	switch {
	case err != nil:
		return nil, s.fault(err, "look for key %s", id)
	case len(keys) > 1:
		return nil, fault.New(fault.KeyAmbiguous, "token %s holds %d keys of id %s", s.token, len(keys), id)
	case len(keys) == 0:
		return nil, nil
	}
	return &key{store: s, secret: keys[0], info: sks.KeyInfo{ID: id}}, nil
}

func setAll(template crypto11.AttributeSet, values map[crypto11.AttributeType]any) error {
	for a, v := range values {
		if err := template.Set(a, v); err != nil {
			return err
		}
	}
	return nil
}

// alive makes sure that the token is there and the login holds: without it
// private objects are invisible, and an outage looks like an empty token.
func (s *Store) alive() error {
	session, err := s.begin()
	if err != nil {
		return s.fault(err, "open a session")
	}
	info, err := s.raw.lib.GetSessionInfo(session)
	if err != nil {
		return s.fault(err, "ask for the state of the session")
	}
	if info.State == pkcs11.CKS_RO_PUBLIC_SESSION || info.State == pkcs11.CKS_RW_PUBLIC_SESSION {
		return fault.New(fault.Unreachable, "token %s: the login was lost", s.token)
	}
	if _, err := s.raw.lib.GetTokenInfo(s.token.Slot); err != nil {
		return s.fault(err, "ask for token %s", s.token)
	}
	return nil
}
