package keystore

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"

	"ssovault/internal/secret"
)

// macData is RFC 7292 4, the whole file's protection against a wrong password
// and damage. Java can leave it out.
type macData struct {
	Mac struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	Salt       []byte
	Iterations int `asn1:"optional,default:1"`
}

// oidPBMAC1 is RFC 9579: OpenSSL 3.4 and Java 26 can write it.
var oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}

var macHashes = []struct {
	id  asn1.ObjectIdentifier
	new func() hash.Hash
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, sha1.New},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 4}, sha256.New224},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, sha256.New},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}, sha512.New384},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}, sha512.New},
}

func (m macData) present() bool { return len(m.Mac.Algorithm.Algorithm) > 0 }

// verify checks the MAC over data. For the empty password there are two
// readings, a zero character and nothing at all; phrase becomes the one that
// fits.
func (m macData) verify(data []byte, phrase *passphrase, work *rounds) error {
	if m.Mac.Algorithm.Algorithm.Equal(oidPBMAC1) {
		return m.verifyPBMAC1(data, phrase.text, work)
	}
	readings := [][]byte{phrase.bmp}
	if phrase.text == "" {
		readings = append(readings, nil)
	}
	for _, h := range macHashes {
		if !m.Mac.Algorithm.Algorithm.Equal(h.id) {
			continue
		}
		for _, bmp := range readings {
			d := derivation{hash: h.new, salt: m.Salt, password: bmp, iterations: m.Iterations}
			key, err := d.derive(forMAC, h.new().Size(), work)
			if err != nil {
				return err
			}
			if m.fits(h.new, key, data) {
				phrase.bmp = bmp
				return nil
			}
		}
		return ErrPassword
	}
	return fmt.Errorf("%w: a PKCS#12 MAC by algorithm %v", ErrUnsupported, m.Mac.Algorithm.Algorithm)
}

func (m macData) verifyPBMAC1(data []byte, password string, work *rounds) error {
	var params struct{ Derivation, Mac pkix.AlgorithmIdentifier }
	if err := unmarshal(m.Mac.Algorithm.Parameters.FullBytes, &params); err != nil {
		return err
	}
	newHash, err := hmacHash(params.Mac.Algorithm)
	if err != nil {
		return err
	}
	key, err := derivePBKDF2(params.Derivation, password, newHash().Size(), work)
	if err != nil {
		return err
	}
	if !m.fits(newHash, key, data) {
		return ErrPassword
	}
	return nil
}

func (m macData) fits(newHash func() hash.Hash, key, data []byte) bool {
	defer secret.Wipe(key)
	mac := hmac.New(newHash, key)
	mac.Write(data)
	return hmac.Equal(mac.Sum(nil), m.Mac.Digest)
}
