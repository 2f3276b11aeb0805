//go:build cgo

package admin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/sks"
)

// wrapNumbers are the numbers under which tokens may offer an AES key wrap.
// What one computes is found out by a trial: 0x210A is RFC 5649 on SoftHSM and
// something else on NSS, and a vendor's number may mean anything on another
// vendor's device.
var wrapNumbers = map[hsm.Mechanism][]uint{
	hsm.KWP: {cryptoki.AESKeyWrapKWP, cryptoki.AESKeyWrapPad, cryptoki.LunaKWP},
	hsm.KW:  {cryptoki.AESKeyWrap, cryptoki.LunaKW},
}

// wrap takes a key out under another one.
func (s *server) wrap(object pkcs11.ObjectHandle, c carry, resp *response) ([]byte, error) {
	r := s.reader(0)
	wrapper, is, err := r.read(pkcs11.ObjectHandle(c.Wrapper))
	if err == nil && !is {
		err = errors.New("it is no key")
	}
	if err != nil {
		return nil, s.fault(err, "read the wrapping key in the token %s", s.token)
	}
	var with *pkcs11.Mechanism
	if c.Mechanism != "" {
		with, err = s.mechanism(c.Mechanism)
		resp.Wrapped = c.Mechanism
	} else {
		resp.Wrapped, with, err = s.wrapping(wrapper, c.Legacy)
	}
	if err != nil {
		return nil, err
	}
	wrapped, err := s.lib.WrapKey(s.session.Handle, []*pkcs11.Mechanism{with}, pkcs11.ObjectHandle(c.Wrapper), object)
	if err != nil {
		return nil, s.fault(err, "wrap the key under %s in the token %s", wrapper, s.token)
	}
	return wrapped, nil
}

// wrapping chooses how a secret key wraps.
func (s *server) wrapping(wrapper Key, legacy bool) (hsm.Mechanism, *pkcs11.Mechanism, error) {
	switch {
	case wrapper.Class == SecretKey && wrapper.Type == string(hsm.AES):
		for _, how := range []hsm.Mechanism{hsm.KWP, hsm.KW} {
			if m, err := s.proven(how); err != nil || m != nil {
				return how, m, err
			}
		}
		return "", nil, s.noWrap(hsm.KWP, hsm.KW)
	case wrapper.Class == SecretKey && wrapper.Type == string(hsm.DES3) && legacy:
		m, err := s.legacy()
		return hsm.DES3ECB, m, err
	case wrapper.Class == SecretKey && wrapper.Type == string(hsm.DES3):
		return "", nil, fault.New(fault.Usage, "%s is a Triple-DES key", wrapper).
			With("wrap under an AES key; for a device that knows nothing else there is --legacy-3des, which has no integrity")
	}
	return "", nil, fault.New(fault.Usage, "%s is a %s %s key: keys are wrapped under AES keys", wrapper, wrapper.Class, wrapper.Type)
}

// mechanism gives the one that computes a wrap.
func (s *server) mechanism(how hsm.Mechanism) (*pkcs11.Mechanism, error) {
	switch how {
	case OAEP256, OAEP1:
		return s.oaep(how)
	case hsm.DES3ECB:
		return s.legacy()
	}
	m, err := s.proven(how)
	if err == nil && m == nil {
		err = s.noWrap(how)
	}
	return m, err
}

// unwrap brings a key in.
func (s *server) unwrap(k NewKey, c carry, wrapped []byte, resp *response) error {
	if len(wrapped) == 0 {
		return errors.New("nothing is to be unwrapped")
	}
	with, err := s.mechanism(c.Mechanism)
	if err != nil {
		return err
	}
	arrive := func(template []*pkcs11.Attribute) (pkcs11.ObjectHandle, error) {
		return s.lib.UnwrapKey(s.session.Handle, []*pkcs11.Mechanism{with}, pkcs11.ObjectHandle(c.Wrapper), wrapped, template)
	}
	if _, err = s.admit(k, c, arrive); err == nil {
		return s.keep(k, c, arrive, resp)
	}
	code, _ := cryptoki.Code(err)
	_, ambiguous := cryptoki.CauseOf(code)
	var other *otherKCV
	if errors.As(err, &other) || ambiguous || wrappedKey[code] {
		return (&fault.Error{Op: fmt.Sprintf("unwrap the key %q in the token %s", k.Label, s.token), Cause: fault.Tampered, Err: err}).
			With("nothing was stored; the wrapped key is damaged, or it was wrapped under another key")
	}
	return err
}

// wrappedKey are the codes by which a token says that what it was to unwrap is
// no wrapped key (CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE).
var wrappedKey = map[uint]bool{0x110: true, 0x112: true}

// oaep gives the mechanism for a public wrapper.
func (s *server) oaep(how hsm.Mechanism) (*pkcs11.Mechanism, error) {
	if err := s.offers(cryptoki.RSAOAEP); err != nil {
		return nil, err
	}
	hash, mask := uint(pkcs11.CKM_SHA_1), uint(pkcs11.CKG_MGF1_SHA1)
	if how == OAEP256 {
		hash, mask = pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256
	}
	return pkcs11.NewMechanism(cryptoki.RSAOAEP, pkcs11.NewOAEPParams(hash, mask, pkcs11.CKZ_DATA_SPECIFIED, nil)), nil
}

// legacy gives the mechanism for devices that know nothing but Triple-DES.
func (s *server) legacy() (*pkcs11.Mechanism, error) {
	if wraps, err := s.listed(cryptoki.DES3ECB); err != nil || wraps {
		return pkcs11.NewMechanism(cryptoki.DES3ECB, nil), err
	}
	return nil, fault.New(fault.Usage, "the token %s does not wrap with %s", s.token, cryptoki.MechanismName(cryptoki.DES3ECB)).
		With("'ssovault hsm mechanisms --token " + s.token.Serial + "' shows what it offers")
}

// listed tells whether a mechanism is offered for wrapping and unwrapping.
func (s *server) listed(number uint) (bool, error) {
	list, err := s.lib.GetMechanismList(s.token.Slot)
	if err != nil {
		return false, s.fault(err, "list the mechanisms of the token %s", s.token)
	}
	for _, m := range list {
		if m.Mechanism == number {
			info, err := s.lib.GetMechanismInfo(s.token.Slot, []*pkcs11.Mechanism{m})
			const both = pkcs11.CKF_WRAP | pkcs11.CKF_UNWRAP
			return err == nil && info.Flags&both == both, nil
		}
	}
	return false, nil
}

// noWrap says which mechanisms a token would have to offer.
func (s *server) noWrap(hows ...hsm.Mechanism) error {
	var wanted []string
	for _, how := range hows {
		var names []string
		for _, n := range wrapNumbers[how] {
			names = append(names, cryptoki.MechanismName(n))
		}
		rfc := map[hsm.Mechanism]string{hsm.KWP: "RFC 5649", hsm.KW: "RFC 3394"}[how]
		wanted = append(wanted, rfc+" ("+strings.Join(names, ", ")+")")
	}
	return fault.New(fault.Usage, "the token %s does not wrap keys by %s", s.token, strings.Join(wanted, " or ")).
		With("'ssovault hsm mechanisms --token " + s.token.Serial + "' shows what it offers; where it has nothing but Triple-DES there is --legacy-3des")
}

// proven finds a number under which the token computes the wrap, by a trial with
// keys that end with the session; nil where there is none.
func (s *server) proven(how hsm.Mechanism) (*pkcs11.Mechanism, error) {
	for _, number := range wrapNumbers[how] {
		wraps, err := s.listed(number)
		if err != nil {
			return nil, err
		}
		if !wraps {
			continue
		}
		m := pkcs11.NewMechanism(number, nil)
		found, err := s.tried(m)
		if err == nil && found == how {
			return m, nil
		}
		// What is computed otherwise, or not at all, is passed over; what cannot
		// be asked is not.
		if err = s.fault(err, "try to wrap with %s in the token %s", cryptoki.MechanismName(number), s.token); fault.Of(err) == fault.Unreachable {
			return nil, err
		}
	}
	return nil, nil
}

// tried wraps and unwraps a key that ends with the session under another one,
// and tells which wrap it was.
func (s *server) tried(m *pkcs11.Mechanism) (how hsm.Mechanism, err error) {
	const size = 32
	id := sks.NewKeyID()
	k := NewKey{Label: "ssovault trial", ID: id[:], Type: hsm.AES, Bits: 8 * size}
	k.Attributes = hsm.Private | hsm.Sensitive | hsm.Wrap | hsm.Unwrap | hsm.Encrypt | hsm.Decrypt
	wrapper, err := s.passing(k)
	if err != nil {
		return "", err
	}
	defer s.gone(wrapper, &err)
	k.Attributes = hsm.Private | hsm.Sensitive | hsm.Extractable | hsm.Encrypt
	key, err := s.passing(k)
	if err != nil {
		return "", err
	}
	defer s.gone(key, &err)
	wrapped, err := s.lib.WrapKey(s.session.Handle, []*pkcs11.Mechanism{m}, wrapper, key)
	if err != nil {
		return "", err
	}
	value, err := integrity(wrapped, func(block []byte) ([]byte, error) {
		if err := s.lib.DecryptInit(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(cryptoki.AESECB, nil)}, wrapper); err != nil {
			return nil, err
		}
		return s.lib.Decrypt(s.session.Handle, block)
	})
	if err != nil {
		return "", err
	}
	how, known := wrapOf(value, size)
	if !known {
		return "", errors.New("neither RFC 5649 nor RFC 3394")
	}
	_, keyType := k.generator()
	back, err := s.lib.UnwrapKey(s.session.Handle, []*pkcs11.Mechanism{m}, wrapper, wrapped, k.incoming(keyType, false))
	if err != nil {
		return "", err
	}
	defer s.gone(back, &err)
	return how, s.same(key, back)
}

// passing generates a key that ends with the session.
func (s *server) passing(k NewKey) (pkcs11.ObjectHandle, error) {
	mechanism, keyType := k.generator()
	return s.lib.GenerateKey(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, k.template(keyType, false))
}

func (s *server) gone(object pkcs11.ObjectHandle, err *error) {
	if endErr := s.lib.DestroyObject(s.session.Handle, object); *err == nil {
		*err = endErr
	}
}

// same compares two keys that may encrypt.
func (s *server) same(a, b pkcs11.ObjectHandle) error {
	var values [2]string
	for i, object := range []pkcs11.ObjectHandle{a, b} {
		var err error
		k := Key{Handle: uint(object), Class: SecretKey, Type: string(hsm.AES), Attributes: hsm.Encrypt}
		if values[i], err = s.calculated(k); err != nil {
			return err
		}
	}
	if values[0] == "" || values[0] != values[1] {
		return errors.New("what was unwrapped is another key")
	}
	return nil
}
