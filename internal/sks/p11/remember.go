//go:build cgo

package p11

import (
	"context"
	"fmt"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/library"
	"ssovault/internal/sks"
)

// application is CKA_APPLICATION of every mark.
const application = "ssovault"

func markTemplate(instance string) []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_DATA)),
		pkcs11.NewAttribute(pkcs11.CKA_APPLICATION, application),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, "SSO Vault Generation "+instance),
	}
}

// kept is a mark in the token, and the object that holds it.
type kept struct {
	mark   sks.Mark
	object pkcs11.ObjectHandle
}

// marks reads all marks of an instance. Objects of that name that hold
// something else are not ours to touch.
func (s *Store) marks(instance string) (all []kept, err error) {
	objects, err := s.find(markTemplate(instance)...)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		b, err := s.value(o, pkcs11.CKA_VALUE)
		if err != nil {
			if library.NotTold(err) {
				continue
			}
			return nil, err
		}
		if m, err := parseMark(b); err == nil {
			all = append(all, kept{m, o})
		}
	}
	return all, nil
}

// Recall gives the highest mark of the instance; the zero Mark if none.
func (s *Store) Recall(_ context.Context, instance string) (highest sks.Mark, err error) {
	all, err := s.marks(instance)
	if err != nil {
		return sks.Mark{}, s.markFault(err, "recall the generation")
	}
	if len(all) == 0 {
		// Private objects are invisible after a lost login.
		return sks.Mark{}, s.alive()
	}
	for _, k := range all {
		if k.mark.Generation >= highest.Generation {
			highest = k.mark
		}
	}
	return highest, nil
}

// Remember makes m the mark of the instance: a new object first, since the
// value of one cannot be changed in place; then the older ones go.
func (s *Store) Remember(_ context.Context, instance string, m sks.Mark) error {
	value, err := formatMark(m)
	if err != nil {
		return fmt.Errorf("remember generation %d: %w", m.Generation, err)
	}
	before, err := s.marks(instance)
	if err != nil {
		return s.markFault(err, "recall the generation")
	}
	var older []pkcs11.ObjectHandle
	there := false
	for _, k := range before {
		if k.mark == m && !there {
			there = true
			continue
		}
		older = append(older, k.object)
	}
	if !there {
		if _, err := s.create(append(markTemplate(instance),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, value))...); err != nil {
			return s.markFault(err, "remember generation %d", m.Generation)
		}
	}
	return s.markFault(s.destroy(older), "forget older generations")
}

// markFault tells a token or role that keeps no data objects from one that is
// away.
func (s *Store) markFault(err error, format string, args ...any) error {
	code, ok := cryptoki.Code(err)
	switch {
	case err == nil:
		return nil
	case ok && cryptoki.CannotKeepObject(code):
		return fmt.Errorf("%w: %w", sks.ErrCannotRemember, err)
	case ok && code == cryptoki.UserNotLoggedIn && s.alive() == nil:
		// The login holds, so the role lacks the right.
		return fmt.Errorf("%w: %w", sks.ErrCannotRemember, err)
	}
	return s.fault(err, format, args...)
}
