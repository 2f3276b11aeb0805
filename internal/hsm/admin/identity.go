//go:build cgo

package admin

import (
	"crypto/rsa"
	"crypto/x509"
	"math/big"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
)

// trustedWrapper are the attributes of a key that replicable keys leave under.
const trustedWrapper = hsm.Wrap | hsm.Trusted

// publicExponent is 65537.
var publicExponent = []byte{1, 0, 1}

// pair makes an RSA pair.
func (s *server) pair(k NewKey, resp *response) error {
	if err := s.offers(cryptoki.RSAKeyPairGen); err != nil {
		return err
	}
	both := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, k.Label),
		pkcs11.NewAttribute(pkcs11.CKA_ID, k.ID),
		pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, false), // last: see incoming
	}
	public := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, uint(k.Bits)),
		pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, publicExponent),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP, true),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, false),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, false),
	}, both...)
	private := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, true),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, false), // it would show the keys that it unwraps
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, false),
	}, both...)
	var pub, priv pkcs11.ObjectHandle
	err := s.make(k, func() (err error) {
		pub, priv, err = s.lib.GenerateKeyPair(s.session.Handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(cryptoki.RSAKeyPairGen, nil)}, public, private)
		return err
	})
	if err != nil {
		return s.fault(err, "make an RSA pair in the token %s", s.token)
	}
	made, is, err := s.reader(0).read(pub)
	if err == nil && is {
		resp.Key = &made
		return nil
	}
	s.takeBack(pub, priv)
	return s.fault(err, "read the new RSA pair back from the token %s", s.token)
}

// public reads an RSA public key, as PKCS #1 has it.
func (s *server) public(object pkcs11.ObjectHandle) ([]byte, error) {
	values, err := s.session.Values(object, []uint{pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT})
	if err != nil {
		return nil, s.fault(err, "read a public key in the token %s", s.token)
	}
	p := &rsa.PublicKey{N: new(big.Int).SetBytes(values[pkcs11.CKA_MODULUS]), E: int(new(big.Int).SetBytes(values[pkcs11.CKA_PUBLIC_EXPONENT]).Int64())}
	if p.N.BitLen() < 2048 || p.E < 3 {
		return nil, fault.New(fault.Usage, "the public key in the token %s has %d bits: an RSA key of 2048 or more is wanted", s.token, p.N.BitLen())
	}
	return x509.MarshalPKCS1PublicKey(p), nil
}

// trust stores a public key with CKA_TRUSTED, which only the security officer
// can set.
func (s *server) trust(k NewKey, der []byte, resp *response) error {
	p, err := publicOf(der)
	if err != nil {
		return err
	}
	template := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, uint(pkcs11.CKO_PUBLIC_KEY)),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, uint(pkcs11.CKK_RSA)),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, false),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, k.Label),
		pkcs11.NewAttribute(pkcs11.CKA_ID, k.ID),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS, p.N.Bytes()),
		pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(p.E)).Bytes()),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP, true),
		pkcs11.NewAttribute(pkcs11.CKA_TRUSTED, true),
		pkcs11.NewAttribute(pkcs11.CKA_MODIFIABLE, false),
	}
	var object pkcs11.ObjectHandle
	err = s.make(k, func() (err error) { object, err = s.lib.CreateObject(s.session.Handle, template); return err })
	if err != nil {
		return s.fault(err, "store a trusted public key in the token %s", s.token)
	}
	made, _, err := s.reader(0).read(object)
	if err == nil && !made.Attributes.Has(trustedWrapper) {
		err = fault.New(fault.Usage, "the token %s made the public key without %s", s.token, (trustedWrapper &^ made.Attributes).Names())
	}
	if err == nil {
		resp.Key = &made
		return nil
	}
	s.takeBack(object)
	return s.fault(err, "read the trusted public key back from the token %s", s.token)
}
