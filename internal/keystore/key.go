package keystore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
)

// publicKey is what all public keys of crypto are.
type publicKey interface {
	Equal(crypto.PublicKey) bool
}

// Limits on single certificates and keys: arithmetic on numbers of megabytes
// would take hours. RSA of 16384 bits is the largest that OpenSSL makes readily.
const (
	maxCertificate = 64 << 10 // bytes of DER
	maxPrivateKey  = 16 << 10 // bytes of DER
	maxRSA         = 16384    // bits
)

// publicOf gives the public half of a private key.
func publicOf(key any) (publicKey, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return &key.PublicKey, nil
	case *ecdsa.PrivateKey:
		return &key.PublicKey, nil
	case ed25519.PrivateKey:
		return key.Public().(ed25519.PublicKey), nil
	}
	return nil, fmt.Errorf("%w: a private key of type %T", ErrUnsupported, key)
}

// keyAlgorithms are those that crypto/x509 reads in PKCS#8: RSA, EC, Ed25519.
var keyAlgorithms = []asn1.ObjectIdentifier{
	{1, 2, 840, 113549, 1, 1, 1},
	{1, 2, 840, 10045, 2, 1},
	{1, 3, 101, 112},
}

// encryptedPrivateKeyInfo is RFC 5958 3: a PKCS#8 key behind a password.
type encryptedPrivateKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// parsePKCS8 reads an unencrypted private key for its public half. A key of
// another algorithm is told from something that is no key.
func parsePKCS8(der []byte) (publicKey, error) {
	var info struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if unmarshal(der, &info) == nil && !slices.ContainsFunc(keyAlgorithms, info.Algorithm.Algorithm.Equal) {
		return nil, fmt.Errorf("%w: a private key of algorithm %v", ErrUnsupported, info.Algorithm.Algorithm)
	}
	return parseKey(der, x509.ParsePKCS8PrivateKey)
}

func parseKey(der []byte, parse func([]byte) (any, error)) (publicKey, error) {
	if len(der) > maxPrivateKey {
		return nil, fmt.Errorf("%w: a private key of %d bytes", ErrUnsupported, len(der))
	}
	key, err := parse(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the private key cannot be read: %w", ErrDamaged, err)
	}
	return publicOf(key)
}

// parseCertificate reads one certificate in DER.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("%w: a certificate of %d bytes", ErrUnsupported, len(der))
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: a certificate cannot be read: %w", ErrDamaged, err)
	}
	return c, checkCertificates([]*x509.Certificate{c})
}

// checkCertificates refuses what would make the check of a signature endless.
func checkCertificates(all []*x509.Certificate) error {
	for _, c := range all {
		if len(c.Raw) > maxCertificate {
			return fmt.Errorf("%w: a certificate of %d bytes", ErrUnsupported, len(c.Raw))
		}
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxRSA {
			return fmt.Errorf("%w: an RSA key of %d bits", ErrUnsupported, key.N.BitLen())
		}
	}
	return nil
}
