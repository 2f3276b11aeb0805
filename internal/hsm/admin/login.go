//go:build cgo

package admin

import (
	"fmt"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/library"
	"ssovault/internal/sks"
)

// login finds the token and logs in once.
func (s *server) login(l Login, pin []byte, resp *response) error {
	t, err := s.choose(l)
	if err != nil {
		return err
	}
	s.token, resp.Token = t, &t
	if l.Role == Guest {
		err := s.open()
		s.in = err == nil
		s.guest = s.in
		return err
	}
	if len(pin) == 0 {
		return fault.New(fault.PINUnavailable, "the PIN for the token %s is empty; no login was tried", t)
	}
	access := sks.Access{Role: l.Role, Unattended: l.Unattended, LowExplained: l.LowExplained}
	if err := sks.MayLogIn(access, t.For(l.Role)); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	user, as := uint(pkcs11.CKU_USER), ""
	if l.Role == sks.RoleSO {
		user, as = pkcs11.CKU_SO, " as security officer"
	}
	resp.Tried = true
	err = s.lib.Login(s.session.Handle, user, lend(pin))
	code, _ := cryptoki.Code(err)
	switch {
	case err == nil, l.EvenExpired && code == cryptoki.PINExpired:
		s.in = true
		return nil
	case code == cryptoki.UserPINNotInitialized:
		return sks.NoUserPIN(t.Token, err)
	}
	err = cryptoki.Fault(err, "log in to the token %s%s", t, as)
	if c := fault.Of(err); c != fault.PINRefused && c != fault.PINLocked {
		return err
	}
	if again, lookErr := s.tokenIn(t.Slot); lookErr == nil {
		*resp.Token = again // only now do the flags tell how many tries are left
	}
	return sks.Refused(err, l.Role, resp.Token.For(l.Role).Tries)
}

// choose finds the token of a serial number, or the one in a slot.
func (s *server) choose(l Login) (Token, error) {
	slots, err := s.lib.GetSlotList(true)
	if err != nil {
		return Token{}, cryptoki.Fault(err, "list the slots")
	}
	var last error
	for _, slot := range slots {
		t, err := s.tokenIn(slot)
		if err != nil {
			last = err // a slot that cannot be asked hides no other
			continue
		}
		if t.Initialised && t.Serial == l.Serial && (l.Serial != "" || t.Slot == l.Slot) {
			return t, nil
		}
	}
	e := fault.New(fault.Unreachable, "the token of serial %q is not there any more", l.Serial)
	e.Err = last
	return Token{}, e
}

// open opens the session.
func (s *server) open() error {
	h, err := s.lib.OpenSession(s.token.Slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return s.fault(err, "open a session with the token %s", s.token)
	}
	s.session = library.Session{Lib: s.lib, Handle: h}
	return nil
}

// setPIN changes the PIN of whoever is logged in.
func (s *server) setPIN(old, next []byte) error {
	return s.newPIN(s.lib.SetPIN(s.session.Handle, lend(old), lend(next)), "change the PIN of the token %s", s.token)
}

// resetPIN gives the user a PIN, as the security officer.
func (s *server) resetPIN(next []byte) error {
	return s.newPIN(s.lib.InitPIN(s.session.Handle, lend(next)), "set the user PIN of the token %s", s.token)
}

// newPIN gives an error its cause where a new PIN was given. Its form is refused
// with a code of its own: nothing was tried then, and nothing changed.
func (s *server) newPIN(err error, format string, args ...any) error {
	code, _ := cryptoki.Code(err)
	switch code {
	case cryptoki.PINInvalid, cryptoki.PINLenRange, cryptoki.PINTooWeak:
		return (&fault.Error{Op: fmt.Sprintf(format, args...) + ": the token does not take the new PIN", Cause: fault.Usage, Err: err}).
			With(fmt.Sprintf("nothing was changed; the token takes PINs of %d to %d characters, and may have rules of its own", s.token.MinPIN, s.token.MaxPIN))
	}
	return s.fault(err, format, args...)
}
