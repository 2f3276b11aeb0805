//go:build cgo

package admin

import (
	"fmt"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
)

// vendorOnly are the attributes that ProtectServer alone knows.
const vendorOnly = hsm.Export | hsm.Import | hsm.Exportable | hsm.SignLocalCert

// said are the attributes that a new key's template names, true or false: what
// it does not name the token decides. CKA_TRUSTED is not a user's to set, and
// what not every token knows is named only where it is wanted.
const said = hsm.Private | hsm.Modifiable | hsm.Sensitive | hsm.Wrap | hsm.Unwrap | hsm.Extractable | hsm.Derive | hsm.Encrypt | hsm.Decrypt | hsm.Sign | hsm.Verify

// generator gives the mechanism and the key type that make a key.
func (k NewKey) generator() (mechanism, keyType uint) {
	switch {
	case k.Type == hsm.DES3 && k.Bits == 128:
		return pkcs11.CKM_DES2_KEY_GEN, pkcs11.CKK_DES2
	case k.Type == hsm.DES3:
		return pkcs11.CKM_DES3_KEY_GEN, pkcs11.CKK_DES3
	}
	return pkcs11.CKM_AES_KEY_GEN, pkcs11.CKK_AES
}

// generate makes a key and reads it back. A key that is not as it should be is
// removed again.
func (s *server) generate(k NewKey, resp *response) error {
	mechanism, keyType := k.generator()
	if err := s.offers(mechanism); err != nil {
		return err
	}
	if err := s.rehearse(k); err != nil {
		return err
	}
	var object pkcs11.ObjectHandle
	err := s.make(k, func() (err error) {
		object, err = s.lib.GenerateKey(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, k.template(keyType, true))
		if err != nil {
			object, err = s.lost(k, err)
		}
		return err
	})
	if err != nil {
		return s.fault(err, "generate the key %q in the token %s", k.Label, s.token)
	}
	made, err := s.readBack(object, k)
	if err == nil {
		resp.Key = &made
		return nil
	}
	s.takeBack(object)
	return err
}

// lost looks whether a key was made although the token said no: an answer may be
// lost on its way.
func (s *server) lost(k NewKey, err error) (pkcs11.ObjectHandle, error) {
	if code, ok := cryptoki.Code(err); !ok || refusals[code] {
		return 0, err
	}
	found, findErr := s.session.Find(
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_SECRET_KEY)),
		pkcs11.NewAttribute(pkcs11.CKA_ID, k.ID),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true))
	if findErr != nil || len(found) != 1 {
		return 0, err
	}
	return found[0], nil
}

// template describes the key; onToken is false for one that ends with the session.
func (k NewKey) template(keyType uint, onToken bool) []*pkcs11.Attribute {
	t := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_SECRET_KEY)),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, keyType),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, onToken),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, k.Label),
		pkcs11.NewAttribute(pkcs11.CKA_ID, k.ID),
	}
	if keyType == pkcs11.CKK_AES {
		t = append(t, pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, uint(k.Bits/8)))
	}
	return append(t, template(said|k.Attributes, k.Attributes)...)
}

// rehearse tries attributes that not every token knows with a key that ends
// with the session: SoftHSM 2.6 refuses a template with an unknown attribute
// only after it has made an object, without a label, which stays. Tokens have
// several codes for an attribute that they do not know; so the same key without
// it tells what the refusal was about.
func (s *server) rehearse(k NewKey) error {
	special := k.Attributes & (vendorOnly | hsm.TrustedWrapOnly)
	if special == 0 {
		return nil
	}
	refusal := s.makeForTrial(k)
	if code, _ := cryptoki.Code(refusal); refusal == nil || !refusals[code] {
		return s.fault(refusal, "try the attributes of the key %q in the token %s", k.Label, s.token)
	}
	without := k
	without.Attributes &^= special
	if s.makeForTrial(without) == nil {
		return s.unknown(special, refusal)
	}
	return nil // this token only makes keys to keep, say: it says so itself
}

// makeForTrial makes a key that ends with the session, and removes it.
func (s *server) makeForTrial(k NewKey) error {
	mechanism, keyType := k.generator()
	object, err := s.lib.GenerateKey(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, k.template(keyType, false))
	if err != nil {
		return err
	}
	return s.lib.DestroyObject(s.session.Handle, object)
}

// unknown says that the token does not know attributes.
func (s *server) unknown(which hsm.Attributes, err error) error {
	e := &fault.Error{Op: fmt.Sprintf("the token %s does not know %s", s.token, which.Names()), Cause: fault.Usage, Err: err,
		Advice: "nothing was made; w, x, I and L are ProtectServer's own"}
	if which.Has(hsm.TrustedWrapOnly) {
		e.Advice = "nothing was made; on this token whoever has the user PIN can carry an extractable key out: leave X away, or accept that with --wrap-with-any"
	}
	return e
}

// readBack compares a key with what was asked for.
func (s *server) readBack(object pkcs11.ObjectHandle, k NewKey) (Key, error) {
	r := s.reader(k.Attributes)
	made, is, err := r.read(object)
	if err != nil {
		return made, s.fault(err, "read the new key %q back", k.Label)
	}
	compared := said | k.Attributes
	switch missing, extra := compared&k.Attributes&^made.Attributes, compared&made.Attributes&^k.Attributes; {
	case !is:
		return made, fault.New(fault.Unreachable, "the token %s made something else than a key", s.token)
	case missing&^made.Known != 0:
		return made, s.unknown(missing&^made.Known, nil)
	case missing != 0:
		return made, s.otherwise("without", missing)
	case extra != 0:
		return made, s.otherwise("with", extra)
	case made.Bits != 0 && made.Bits != uint(k.Bits):
		return made, fault.New(fault.Usage, "the token %s made a key of %d bits, not %d; it was removed", s.token, made.Bits, k.Bits)
	}
	if made.KCV == "" {
		made.KCV, err = s.calculated(made)
	}
	return made, err
}

func (s *server) otherwise(how string, which hsm.Attributes) error {
	return fault.New(fault.Usage, "the token %s made the key %s %s, other than asked for; it was removed", s.token, how, which.Names()).
		With("ask for attributes that this token gives")
}

// set changes the attributes of a key in one call, and reads them back.
func (s *server) set(object pkcs11.ObjectHandle, on, off hsm.Attributes, resp *response) error {
	if on|off != 0 {
		s.making.Begun = true
		if err := s.lib.SetAttributeValue(s.session.Handle, object, template(on|off, on)); err != nil {
			return s.fault(err, "change the attributes of a key in the token %s", s.token)
		}
	}
	r := s.reader(on | off)
	k, is, err := r.read(object)
	if err != nil {
		return s.fault(err, "read the attributes of a key in the token %s back", s.token)
	}
	if wrong := on&^k.Attributes | off&k.Attributes; !is || wrong != 0 {
		return fault.New(fault.Usage, "the token %s did not change %s", s.token, wrong.Names())
	}
	resp.Key = &k
	return nil
}
