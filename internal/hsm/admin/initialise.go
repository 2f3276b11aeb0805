//go:build cgo

package admin

import (
	"fmt"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// initialise makes a token of a slot, and sets its user PIN.
func (s *server) initialise(req request, payload []byte, resp *response) error {
	pins, err := cut(payload, req.Cuts, 3)
	if err != nil {
		return err
	}
	so, newSO, user := pins[0], pins[1], pins[2]
	before, err := s.serials()
	if err != nil {
		return err
	}
	t, err := s.tokenIn(req.Slot)
	if err != nil {
		return err
	}
	if t.Initialised != req.Flag || t.Initialised && t.Serial != req.Login.Serial {
		return fault.New(fault.Usage, "slot %d holds another token now: %s", req.Slot, t).With("nothing was changed; look again with 'ssovault hsm slots'")
	}
	s.token = t
	if t.Initialised && t.SOTries == sks.TriesLocked {
		return sks.Locked(sks.RoleSO, t.Token)
	}
	s.making.Begun = true
	if err := s.lib.InitToken(req.Slot, lend(so), req.Label); err != nil {
		resp.Token = &t
		if again, lookErr := s.tokenIn(req.Slot); lookErr == nil {
			*resp.Token = again
		}
		err = s.newPIN(err, "initialise the token in slot %d as security officer", req.Slot)
		if c := fault.Of(err); c == fault.PINRefused || c == fault.PINLocked {
			err = sks.Refused(err, sks.RoleSO, resp.Token.SOTries)
		}
		return err
	}
	s.making.Begun = false // done: what follows says so itself
	if err := s.findNew(req, before); err != nil {
		return err
	}
	now := s.token
	resp.Token = &now
	if err := s.firstPINs(so, newSO, user); err != nil {
		return fmt.Errorf("%w; the token %s is initialised but has no user PIN: set it with 'ssovault hsm pin reset --token %s', or initialise it again", err, now, now.Serial)
	}
	now, err = s.tokenIn(s.token.Slot)
	return err
}

// serials gives which initialised tokens are there, by their serial number.
func (s *server) serials() (map[string]bool, error) {
	slots, err := s.lib.GetSlotList(true)
	if err != nil {
		return nil, cryptoki.Fault(err, "list the slots")
	}
	all := map[string]bool{}
	for _, slot := range slots {
		if t, err := s.tokenIn(slot); err == nil && t.Initialised {
			all[t.Serial] = true
		}
	}
	return all, nil
}

// findNew finds the token that was just made: the slot's number may be another
// one now. It bears the label, and its serial number is new or that of before.
func (s *server) findNew(req request, before map[string]bool) error {
	slots, err := s.lib.GetSlotList(true)
	if err != nil {
		return cryptoki.Fault(err, "find the new token")
	}
	var found []Token
	for _, slot := range slots {
		t, err := s.tokenIn(slot)
		if err != nil || !t.Initialised || t.Label != req.Label {
			continue
		}
		if !before[t.Serial] || t.Serial == req.Login.Serial {
			found = append(found, t)
		}
	}
	if len(found) != 1 {
		return fault.New(fault.Unreachable, "the token was initialised, and then %d tokens of that label are found", len(found)).
			With("look with 'ssovault hsm slots', then set the user PIN with 'ssovault hsm pin reset'")
	}
	s.token = found[0]
	return nil
}

// firstPINs sets the user PIN as the security officer, whose own first PIN some
// tokens want changed before.
func (s *server) firstPINs(so, newSO, user []byte) error {
	if err := s.open(); err != nil {
		return err
	}
	err := s.lib.Login(s.session.Handle, pkcs11.CKU_SO, lend(so))
	if code, _ := cryptoki.Code(err); err != nil && code != cryptoki.PINExpired {
		return cryptoki.Fault(err, "log in to the new token as security officer")
	}
	if len(newSO) > 0 {
		if err := s.newPIN(s.lib.SetPIN(s.session.Handle, lend(so), lend(newSO)), "change the security officer's first PIN"); err != nil {
			return err
		}
	}
	return s.resetPIN(user)
}
