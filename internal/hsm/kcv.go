package hsm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"fmt"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// KCV is a key check value: the first three bytes of the encryption of a block
// of zeros (AS 2805.6.3). It tells keys apart for people; 24 bits prove nothing
// against somebody who makes keys until one fits.
type KCV [3]byte

// ParseKCV reads six hexadecimal digits of either case. Cause Usage for
// anything else, which it does not repeat: it may be a component.
func ParseKCV[T string | []byte](s T) (k KCV, err error) {
	bad := func() (KCV, error) {
		return KCV{}, fault.New(fault.Usage, "a KCV is six hexadecimal digits")
	}
	if len(s) != 2*len(k) {
		return bad()
	}
	for i := range len(s) {
		v, ok := hexDigit(s[i])
		if !ok {
			return bad()
		}
		k[i/2] = k[i/2]<<4 | v
	}
	return k, nil
}

// String gives six upper-case hexadecimal digits.
func (k KCV) String() string { return fmt.Sprintf("%X", k[:]) }

// MarshalText carries the KCV through JSON as String writes it.
func (k KCV) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (k *KCV) UnmarshalText(b []byte) (err error) {
	*k, err = ParseKCV(b)
	return err
}

// Equal compares in constant time.
func (k KCV) Equal(other KCV) bool { return subtle.ConstantTimeCompare(k[:], other[:]) == 1 }

// BlockSize gives the length in bytes of the block of zeros whose encryption
// begins with the KCV.
func (t KeyType) BlockSize() int {
	if t == DES3 {
		return des.BlockSize
	}
	return aes.BlockSize
}

// Key is a secret key in the clear. Its holder wipes it.
type Key struct {
	Type  KeyType
	Value secret.Value
}

// Bits gives the length, DES bits with parity.
func (k Key) Bits() int { return 8 * k.Value.Len() }

// KCV gives the check value. Cause Usage when the type has no keys of this
// length.
func (k Key) KCV() (KCV, error) {
	if _, err := k.Type.Size(k.Bits()); err != nil {
		return KCV{}, err
	}
	var c cipher.Block
	var err error
	if k.Type == DES3 {
		three := threeKeys(k.Value.Bytes())
		defer secret.Wipe(three)
		c, err = des.NewTripleDESCipher(three)
	} else {
		c, err = aes.NewCipher(k.Value.Bytes())
	}
	if err != nil {
		return KCV{}, err
	}
	block := make([]byte, c.BlockSize())
	c.Encrypt(block, block)
	return KCV(block[:3]), nil
}

// Check compares with the KCV that somebody wrote down. Cause Usage when the key
// is another one, naming both.
func (k Key) Check(want KCV) error {
	got, err := k.KCV()
	if err == nil && !got.Equal(want) {
		err = fault.New(fault.Usage, "the KCV of what was entered is %s, not %s", got, want).
			With("a digit is wrong, or the KCV is that of another key or component: compare both with the sheet")
	}
	return err
}

// Wipe overwrites the key.
func (k Key) Wipe() { k.Value.Wipe() }

// hexDigit gives the value of a hexadecimal digit of either case.
func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
