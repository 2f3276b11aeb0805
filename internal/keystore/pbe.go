package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"ssovault/internal/secret"
)

// errPadding says that what was decrypted makes no sense: a wrong password, or
// damage. The caller knows which password it was.
var errPadding = errors.New("decrypted to nonsense")

// The ciphers of PKCS#12's own scheme (RFC 7292 C). The RC4 ones are not there:
// nothing has written them since the nineties.
var pkcs12Ciphers = []struct {
	id      asn1.ObjectIdentifier
	keySize int
	cipher  func(key []byte) (cipher.Block, error)
}{
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}, 24, des.NewTripleDESCipher},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 4}, 16, twoKeyTripleDES},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 5}, 16, newRC2},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 6}, 5, newRC2},
}

// The ciphers of PBES2 (RFC 8018 B.2), all in CBC mode.
var pbes2Ciphers = []struct {
	id      asn1.ObjectIdentifier
	keySize int
	cipher  func(key []byte) (cipher.Block, error)
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}, 16, aes.NewCipher},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}, 24, aes.NewCipher},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, 32, aes.NewCipher},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}, 24, des.NewTripleDESCipher},
}

var oidPBES2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}

func twoKeyTripleDES(key []byte) (cipher.Block, error) {
	full := append(append([]byte(nil), key...), key[:8]...)
	defer secret.Wipe(full)
	return des.NewTripleDESCipher(full)
}

// decrypt opens what a password protects: a safe of PKCS#12 or a PKCS#8 key.
// Errors: errPadding, ErrRounds, ErrUnsupported, ErrDamaged.
func decrypt(algorithm pkix.AlgorithmIdentifier, data []byte, phrase passphrase, work *rounds) ([]byte, error) {
	if algorithm.Algorithm.Equal(oidPBES2) {
		return decryptPBES2(algorithm, data, phrase, work)
	}
	for _, c := range pkcs12Ciphers {
		if !algorithm.Algorithm.Equal(c.id) {
			continue
		}
		var params struct {
			Salt       []byte
			Iterations int
		}
		if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
			return nil, err
		}
		d := derivation{hash: sha1.New, salt: params.Salt, password: phrase.bmp, iterations: params.Iterations}
		key, err := d.derive(forKey, c.keySize, work)
		if err != nil {
			return nil, err
		}
		defer secret.Wipe(key)
		iv, err := d.derive(forIV, des.BlockSize, work)
		if err != nil {
			return nil, err
		}
		block, err := c.cipher(key)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return decryptCBC(block, iv, data)
	}
	return nil, fmt.Errorf("%w: encryption by algorithm %v", ErrUnsupported, algorithm.Algorithm)
}

func decryptPBES2(algorithm pkix.AlgorithmIdentifier, data []byte, phrase passphrase, work *rounds) ([]byte, error) {
	var params struct{ Derivation, Cipher pkix.AlgorithmIdentifier }
	if err := unmarshal(algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	for _, c := range pbes2Ciphers {
		if !params.Cipher.Algorithm.Equal(c.id) {
			continue
		}
		var iv []byte
		if err := unmarshal(params.Cipher.Parameters.FullBytes, &iv); err != nil {
			return nil, err
		}
		key, err := derivePBKDF2(params.Derivation, phrase.text, c.keySize, work)
		if err != nil {
			return nil, err
		}
		defer secret.Wipe(key)
		block, err := c.cipher(key)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
		}
		return decryptCBC(block, iv, data)
	}
	return nil, fmt.Errorf("%w: encryption by cipher %v", ErrUnsupported, params.Cipher.Algorithm)
}

// decryptCBC also takes the padding of RFC 8018 6.1.1 off.
func decryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, fmt.Errorf("%w: what is encrypted has the wrong length", ErrDamaged)
	}
	plain := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	n := int(plain[len(plain)-1])
	if n < 1 || n > size {
		return nil, errPadding
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return nil, errPadding
		}
	}
	return plain[:len(plain)-n], nil
}
