package hsm

import (
	"crypto/des"
	"crypto/subtle"
	"math/bits"
)

// threeKeys gives a copy of a Triple-DES key as its three single keys: a key of
// 128 bits uses its first one twice (NIST SP 800-67, keying option 2).
func threeKeys(key []byte) []byte {
	three := make([]byte, 0, 3*des.BlockSize)
	three = append(three, key...)
	if len(key) == 2*des.BlockSize {
		three = append(three, key[:des.BlockSize]...)
	}
	return three
}

// adjustParity sets the lowest bit of each byte so that the byte has an odd
// number of ones, which FIPS 46-3 wants and devices check. The bit takes no
// part in the encryption. The XOR of two keys of odd parity has even parity, so
// that a key made of components needs it always.
func adjustParity(key []byte) {
	for i, b := range key {
		key[i] = b&^1 | byte(bits.OnesCount8(b&^1)&1^1)
	}
}

// weakDES says why a Triple-DES key of adjusted parity is no better than one
// DES or none, or "".
func weakDES(key []byte) string {
	one := func(i int) []byte { return key[i*des.BlockSize : (i+1)*des.BlockSize] }
	n := len(key) / des.BlockSize
	for i := range n - 1 {
		if subtle.ConstantTimeCompare(one(i), one(i+1)) == 1 {
			return "two neighbours of its single keys are the same, so that two of the three encryptions cancel out and what is left is single DES, which is broken"
		}
	}
	for i := range n {
		if selfDual(one(i)) {
			return "one of its single keys is a weak key of DES, which undoes an encryption instead of making one"
		}
	}
	return ""
}

// selfDual recognises the 4 weak and 12 semi-weak keys of DES (NIST SP 800-67,
// 3.3.2). All sixteen have one form: two bytes take turns in the left half, and
// their counterparts in the right half.
func selfDual(key []byte) bool {
	left := [4]byte{0x01, 0x1F, 0xE0, 0xFE}
	right := [4]byte{0x01, 0x0E, 0xF1, 0xFE}
	found := 0
	for i := range left {
		for j := range left {
			weak := [des.BlockSize]byte{left[i], left[j], left[i], left[j], right[i], right[j], right[i], right[j]}
			found |= subtle.ConstantTimeCompare(key, weak[:])
		}
	}
	return found == 1
}
