//go:build cgo

package admin

import (
	"bytes"
	"errors"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
)

// make makes an object that stays. SoftHSM (2.6) writes one attribute after the
// other, and what breaks off leaves an object without a label. So when make
// fails, and the session still lives, what was not there before and bears the
// new key's id, or has no name and is proved to have no value, is removed again;
// why that could not be is told beside the error.
func (s *server) make(k NewKey, make func() error) error {
	before, err := s.session.Find()
	if err != nil {
		return s.fault(err, "list the objects of the token %s", s.token)
	}
	s.making.Begun = true
	if err = make(); err == nil {
		return nil
	}
	tidyErr := s.tidy(k, before)
	if code, _ := cryptoki.Code(err); tidyErr == nil && !refusals[code] && s.officer() {
		tidyErr = errors.New("it would be private, and the security officer does not see what is")
	}
	if tidyErr != nil {
		s.making.Left = tidyErr.Error()
	}
	return err
}

// takeBack removes objects that were made and are not as they should be. Where it
// cannot, that is told beside the error.
func (s *server) takeBack(objects ...pkcs11.ObjectHandle) {
	for _, object := range objects {
		if err := s.lib.DestroyObject(s.session.Handle, object); err != nil {
			s.making.Left = "what was made could not be removed: " + err.Error()
		}
	}
}

// officer tells whether the security officer is logged in.
func (s *server) officer() bool {
	info, err := s.lib.GetSessionInfo(s.session.Handle)
	return err == nil && info.State == ckRWSO
}

// tidy removes what a making that failed has left. What may be half a key, but is
// not proved to be, stays, and is an error.
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
	var unproven error
	for _, object := range now {
		if there[object] {
			continue
		}
		left, is, err := r.read(object)
		if err != nil {
			return err
		}
		if is {
			err = s.judge(&left)
		}
		if err != nil {
			return err
		}
		if is && left.Unproven() {
			unproven = errors.New("what has no name and was not there before is not proved to be half made")
		}
		if is && (left.Halfway() || left.Label == k.Label && len(k.ID) > 0 && bytes.Equal(left.ID, k.ID)) {
			if err := s.lib.DestroyObject(s.session.Handle, object); err != nil {
				return err
			}
		}
	}
	return unproven
}
