package keystore

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"
)

// purpose is the ID byte of RFC 7292 B.3.
type purpose byte

const (
	forKey purpose = 1
	forIV  purpose = 2
	forMAC purpose = 3
)

// derivation is PKCS#12's own way from a password to a key, RFC 7292 B.2.
type derivation struct {
	hash       func() hash.Hash
	salt       []byte
	password   []byte
	iterations int
}

func (d derivation) derive(what purpose, size int, work *rounds) ([]byte, error) {
	h := d.hash()
	outputs := (size + h.Size() - 1) / h.Size()
	if err := work.spend(d.iterations, outputs); err != nil {
		return nil, err
	}
	v := h.BlockSize()
	diversifier := make([]byte, v)
	for i := range diversifier {
		diversifier[i] = byte(what)
	}
	input := append(repeated(d.salt, v), repeated(d.password, v)...)
	var key []byte
	for range outputs {
		h.Reset()
		h.Write(diversifier)
		h.Write(input)
		sum := h.Sum(nil)
		for range d.iterations - 1 {
			h.Reset()
			h.Write(sum)
			sum = h.Sum(sum[:0])
		}
		key = append(key, sum...)
		b := repeated(sum, v)[:v]
		for at := 0; at < len(input); at += v {
			addPlusOne(input[at:at+v], b)
		}
	}
	return key[:size], nil
}

// repeated fills whole blocks of v bytes with copies of b; nothing stays nothing.
func repeated(b []byte, v int) []byte {
	out := make([]byte, (len(b)+v-1)/v*v)
	for i := range out {
		out[i] = b[i%len(b)]
	}
	return out
}

// addPlusOne sets a to a+b+1, big-endian, without the carry out.
func addPlusOne(a, b []byte) {
	carry := uint16(1)
	for i := len(a) - 1; i >= 0; i-- {
		carry += uint16(a[i]) + uint16(b[i])
		a[i] = byte(carry)
		carry >>= 8
	}
}

var (
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	hmacs = []struct {
		id  asn1.ObjectIdentifier
		new func() hash.Hash
	}{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}, sha1.New},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 8}, sha256.New224},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}, sha256.New},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 10}, sha512.New384},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}, sha512.New},
	}
)

func hmacHash(id asn1.ObjectIdentifier) (func() hash.Hash, error) {
	for _, h := range hmacs {
		if id.Equal(h.id) {
			return h.new, nil
		}
	}
	return nil, fmt.Errorf("%w: HMAC %v", ErrUnsupported, id)
}

// derivePBKDF2 is RFC 8018 A.2. A length in the parameters must be the cipher's.
func derivePBKDF2(algorithm pkix.AlgorithmIdentifier, password string, size int, work *rounds) ([]byte, error) {
	if !algorithm.Algorithm.Equal(oidPBKDF2) {
		return nil, fmt.Errorf("%w: key derivation by algorithm %v", ErrUnsupported, algorithm.Algorithm)
	}
	var params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
	if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	if params.KeyLength != 0 && params.KeyLength != size {
		return nil, fmt.Errorf("%w: a key of %d bytes where %d are needed", ErrDamaged, params.KeyLength, size)
	}
	prf := sha1.New // the default of RFC 8018 A.2
	if len(params.PRF.Algorithm) > 0 {
		var err error
		if prf, err = hmacHash(params.PRF.Algorithm); err != nil {
			return nil, err
		}
	}
	output := prf().Size()
	if err := work.spend(params.Iterations, (size+output-1)/output); err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(prf, password, params.Salt, params.Iterations, size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return key, nil
}
