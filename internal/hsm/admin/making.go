//go:build cgo

package admin

import (
	"bytes"
	"fmt"

	"github.com/miekg/pkcs11"
)

// make makes an object that stays. SoftHSM (2.6) writes one attribute after the
// other, and what breaks off leaves an object without a label. So when make
// fails, and the session still lives, what was not there before and bears the
// new key's id, or has neither name nor value, is removed again.
func (s *server) make(k NewKey, make func() error) error {
	before, err := s.session.Find()
	if err != nil {
		return s.fault(err, "list the objects of the token %s", s.token)
	}
	if err = make(); err == nil {
		return nil
	}
	if tidyErr := s.tidy(k, before); tidyErr != nil {
		return fmt.Errorf("%w; whether a part of it was left in the token could not be seen to: %v", err, tidyErr)
	}
	return err
}

// tidy removes what a making that failed has left.
func (s *server) tidy(k NewKey, before []pkcs11.ObjectHandle) error {
	now, err := s.session.Find()
	if err != nil {
		return err
	}
	there := make(map[pkcs11.ObjectHandle]bool, len(before))
	for _, object := range before {
		there[object] = true
	}
	r := s.reader(0)
	for _, object := range now {
		if there[object] {
			continue
		}
		left, is, err := r.read(object)
		if err != nil {
			return err
		}
		if is && (left.Halfway() || left.Label == k.Label && len(k.ID) > 0 && bytes.Equal(left.ID, k.ID)) {
			if err := s.lib.DestroyObject(s.session.Handle, object); err != nil {
				return err
			}
		}
	}
	return nil
}
