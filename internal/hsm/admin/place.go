//go:build cgo

package admin

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
)

// carry handles the requests by which keys come and go.
func (s *server) carry(req request, payload []byte, resp *response) ([]byte, error) {
	switch req.Op {
	case opPlace, opWrap, opUnwrap:
		if req.Carry == nil || req.Op != opWrap && req.New == nil {
			return nil, errors.New("no key is described")
		}
	case opPair, opTrust:
		if req.New == nil {
			return nil, errors.New("no key is described")
		}
	}
	switch req.Op {
	case opPlace:
		return nil, s.place(*req.New, *req.Carry, payload, resp)
	case opWrap:
		return s.wrap(pkcs11.ObjectHandle(req.Handle), *req.Carry, resp)
	case opUnwrap:
		return nil, s.unwrap(*req.New, *req.Carry, payload, resp)
	case opPair:
		return nil, s.pair(*req.New, resp)
	case opPublic:
		return s.public(pkcs11.ObjectHandle(req.Handle))
	case opTrust:
		return nil, s.trust(*req.New, payload, resp)
	}
	return nil, errors.New("unknown request")
}

// arrival makes an object of a key that comes from outside, by its template.
type arrival func(template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error)

// place stores a key whose value is known.
func (s *server) place(k NewKey, c carry, value []byte, resp *response) error {
	if len(value)*8 != k.Bits {
		return errors.New("a key of another length than is said")
	}
	create := func(template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
		return s.lib.CreateObject(s.session.Handle, append(template, pkcs11.NewAttribute(pkcs11.CKA_VALUE, value)))
	}
	trial, err := s.admit(k, c, create)
	if err == nil && c.Rehearsal {
		resp.Key = &trial
		return nil
	}
	if err == nil {
		err = s.keep(k, c, create, resp)
	}
	return err
}

// admit makes the key as one of the session, which may encrypt whatever the key
// may, and compares its check value. Nothing of it stays.
func (s *server) admit(k NewKey, c carry, arrive arrival) (trial Key, err error) {
	_, keyType := k.generator()
	probe := k
	probe.Attributes |= hsm.Encrypt
	object, err := arrive(probe.incoming(keyType, false))
	if code, coded := cryptoki.Code(err); err != nil {
		if special := k.Attributes & (vendorOnly | hsm.TrustedWrapOnly); coded && code == cryptoki.AttributeTypeInvalid && special != 0 {
			return trial, s.unknown(special, err)
		}
		return trial, s.refusedArrival(err, k)
	}
	defer func() {
		if endErr := s.lib.DestroyObject(s.session.Handle, object); err == nil && endErr != nil {
			err = s.fault(endErr, "remove a key made for a trial in the token %s", s.token)
		}
	}()
	r := s.reader(0)
	if trial, _, err = r.read(object); err != nil {
		return trial, s.fault(err, "read a key made for a trial in the token %s", s.token)
	}
	return trial, s.compare(&trial, c.KCV)
}

// keep makes the key that stays. One that is not as it should be goes again.
func (s *server) keep(k NewKey, c carry, arrive arrival, resp *response) error {
	_, keyType := k.generator()
	var object pkcs11.ObjectHandle
	err := s.make(k, func() (err error) { object, err = arrive(k.incoming(keyType, true)); return err })
	if err != nil {
		return s.refusedArrival(err, k)
	}
	made, err := s.readBack(object, k)
	if err == nil && made.KCV == "" {
		made.KCV = c.KCV.String() // it does not encrypt, but the trial had the same value and did
	}
	if made.Bits == 0 {
		made.Bits = uint(k.Bits) // SoftHSM keeps no length of a key that was unwrapped
	}
	if err == nil {
		err = s.compare(&made, c.KCV)
	}
	if err == nil {
		resp.Key = &made
		return nil
	}
	s.takeBack(object)
	return err
}

// compare holds the token's check value against the one that is known.
func (s *server) compare(k *Key, want hsm.KCV) (err error) {
	if k.KCV == "" {
		if k.KCV, err = s.calculated(*k); err != nil {
			return err
		}
	}
	if k.KCV == "" {
		name := cryptoki.MechanismName(cryptoki.AESECB)
		if k.Type == string(hsm.DES3) {
			name = cryptoki.MechanismName(cryptoki.DES3ECB)
		}
		return fault.New(fault.Usage, "the token %s tells no check value of a key, and does not offer %s to calculate one", s.token, name).
			With("nothing was stored; without a check value nobody can tell whether it is the right key")
	}
	got, err := hsm.ParseKCV(k.KCV)
	if err == nil && !got.Equal(want) {
		err = &otherKCV{got, want}
	}
	return err
}

// otherKCV says that the token has another key than was meant.
type otherKCV struct{ got, want hsm.KCV }

func (o *otherKCV) Error() string {
	return fmt.Sprintf("the KCV of the key in the token is %s, not %s; nothing was stored", o.got, o.want)
}

// refusedArrival gives the refusal of a key that comes from outside its cause.
func (s *server) refusedArrival(err error, k NewKey) error {
	return s.fault(err, "put the key %q into the token %s", k.Label, s.token)
}

// incoming describes a key that comes from outside: its length is its own. What
// makes it unmodifiable stands last: SoftHSM 2.6 takes an unwrapped key's
// attributes one after the other, and refuses those behind it.
func (k NewKey) incoming(keyType uint, onToken bool) []*pkcs11.Attribute {
	rest, last := []*pkcs11.Attribute{}, []*pkcs11.Attribute{}
	for _, a := range k.template(keyType, onToken) {
		switch a.Type {
		case pkcs11.CKA_VALUE_LEN:
		case pkcs11.CKA_MODIFIABLE:
			last = append(last, a)
		default:
			rest = append(rest, a)
		}
	}
	return append(rest, last...)
}
