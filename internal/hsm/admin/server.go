//go:build cgo

package admin

import (
	"errors"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/isolate"
	"ssovault/internal/library"
)

// server answers the requests of one caller, one after the other. It holds one
// session at most: a second login to a library that is logged in would accept
// any PIN.
type server struct {
	lib     *pkcs11.Ctx
	call    library.AttributeCall
	session library.Session
	token   Token
	in      bool // logged in
	guest   bool // or only there, to see what is public
	unlock  func()
	// initialised: C_Initialize was called, and C_Finalize not yet.
	initialised bool
	// making is what an answer tells of the object that was to stay.
	making making
}

// answer handles one request.
func (s *server) answer(head, payload []byte) (isolate.Answer, error) {
	var req request
	if err := isolate.Decode(head, &req); err != nil {
		return isolate.Answer{}, err
	}
	var resp response
	s.making = making{}
	out, err := s.handle(req, payload, &resp)
	resp.Making = s.making
	return isolate.Answer{Message: &resp, Payload: out, Err: err, Last: req.Op == opClose}, nil
}

// handle does what is asked. It returns the payload of the answer.
func (s *server) handle(req request, payload []byte, resp *response) ([]byte, error) {
	switch req.Op {
	case opClose:
		return nil, s.leave()
	case opTokens, opMechanisms, opInitialise, opLogin:
		if s.in {
			return nil, errors.New("out of turn: a session is open")
		}
		return nil, s.outside(req, payload, resp)
	}
	if !s.in {
		return nil, errors.New("not logged in")
	}
	switch req.Op {
	case opSetPIN:
		parts, err := cut(payload, req.Cuts, 2)
		if err != nil {
			return nil, err
		}
		return nil, s.setPIN(parts[0], parts[1])
	case opResetPIN:
		return nil, s.resetPIN(payload)
	case opKeys:
		return s.keys(req.Label, req.Flag)
	case opGenerate:
		if req.New == nil {
			return nil, errors.New("no key is described")
		}
		return nil, s.generate(*req.New, resp)
	case opSet:
		return nil, s.set(pkcs11.ObjectHandle(req.Handle), req.On, req.Off, resp)
	case opDelete:
		s.making.Begun = true
		return nil, s.fault(s.lib.DestroyObject(s.session.Handle, pkcs11.ObjectHandle(req.Handle)), "delete a key in the token %s", s.token)
	}
	return s.carry(req, payload, resp)
}

// outside does what needs no session, or begins one.
func (s *server) outside(req request, payload []byte, resp *response) error {
	if s.lib == nil {
		lib, err := library.Load(req.Library)
		if err != nil {
			return err
		}
		s.lib, s.call = lib, library.FindAttributeCall(req.Library)
	}
	unlock, err := library.Serialise(req.Login.Serialise || library.IsSoftHSM(req.Library), req.Wait)
	if err != nil {
		return err
	}
	s.unlock = unlock
	if !s.initialised {
		if err := s.lib.Initialize(); err != nil {
			s.release()
			return cryptoki.Fault(err, "initialise the PKCS#11 library")
		}
		s.initialised = true // until the end: SoftHSM reads every object then
	}
	switch req.Op {
	case opTokens:
		err = s.look(resp)
	case opMechanisms:
		resp.Mechanisms, err = s.mechanisms(req.Slot)
	case opInitialise:
		err = s.initialise(req, payload, resp)
	case opLogin:
		err = s.login(req.Login, payload, resp)
	}
	if !s.in {
		s.release()
	}
	return err
}

// release closes a session that was opened, and lets the next process have the
// token.
func (s *server) release() {
	if s.session.Handle != 0 {
		_ = s.lib.CloseSession(s.session.Handle) // it ends with the library at the latest
		s.session = library.Session{}
	}
	s.unlock()
	s.unlock = nil
}

// leave ends what was begun: session and login with the library's end, then the
// next process may have the token.
func (s *server) leave() (err error) {
	if s.initialised {
		err = s.lib.Finalize()
	}
	if s.unlock != nil {
		s.unlock()
	}
	*s = server{lib: s.lib, call: s.call}
	return cryptoki.Fault(err, "finalise the PKCS#11 library")
}

// cut gives the parts of a payload, the last of which is the rest.
func cut(payload []byte, lengths []int, parts int) ([][]byte, error) {
	if len(lengths) != parts-1 {
		return nil, errors.New("a payload of other parts")
	}
	var out [][]byte
	for _, n := range lengths {
		if n < 0 || n > len(payload) {
			return nil, errors.New("a payload that is too short")
		}
		out, payload = append(out, payload[:n]), payload[n:]
	}
	return append(out, payload), nil
}
