package hsm

import "ssovault/internal/fault"

// KeyType is a kind of secret key.
type KeyType string

// The kinds that the commands make.
const (
	AES  KeyType = "aes"
	DES3 KeyType = "des3" // Triple-DES, of two or three keys
)

// ParseKeyType reads a type as the command line gives it. Cause Usage for any
// other word.
func ParseKeyType(s string) (KeyType, error) {
	switch t := KeyType(s); t {
	case AES, DES3:
		return t, nil
	}
	return "", fault.New(fault.Usage, "%q is no type of key: it is aes or des3", s)
}

// Size gives the length in bytes of a key of so many bits. DES bits are counted
// with parity, as the devices count them: 192, or 128 for two keys. Cause Usage
// for a length that the type does not have.
func (t KeyType) Size(bits int) (int, error) {
	switch {
	case t == AES && (bits == 128 || bits == 192 || bits == 256):
	case t == DES3 && (bits == 128 || bits == 192):
	case t == AES:
		return 0, fault.New(fault.Usage, "an aes key has 128, 192 or 256 bits, not %d", bits)
	case t == DES3:
		return 0, fault.New(fault.Usage, "a des3 key has 192 bits, or 128 (two keys); parity is counted, so not %d", bits)
	default:
		return 0, fault.New(fault.Usage, "%q is no type of key: it is aes or des3", t)
	}
	return bits / 8, nil
}
