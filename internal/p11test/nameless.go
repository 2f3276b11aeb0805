package p11test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// Nameless brings a whole key without label and id into the token, by
// C_UnwrapKey: SoftHSM tells neither length nor check value of a secret one. It
// is private, never leaves, and may do what uses say (CKA_SIGN …), by any
// mechanism or only by some. The key type (CKK_…) is AES, generic, Triple-DES, or
// RSA, which makes a private key. On SoftHSM no other process should log in at
// that moment.
func (k Tok) Nameless(t testing.TB, keyType uint, uses []uint, only ...uint) {
	t.Helper()
	const rsa, secretKey, privateKey = 0, 4, 3
	const (
		class, onToken, private, ofType, sensitive        = 0x0, 0x1, 0x2, 0x100, 0x103
		encrypt, decrypt, wrap, unwrap, sign, verify      = 0x104, 0x105, 0x106, 0x107, 0x108, 0x10A
		extractable, allowedMechanisms               uint = 0x162, 0x40000600
	)
	var args []string
	add := func(attribute uint, value string) { args = append(args, fmt.Sprintf("%#x=%s", attribute, value)) }
	is, may := uint(secretKey), []uint{encrypt, decrypt, wrap, unwrap, sign, verify}
	if keyType == rsa {
		is, may = privateKey, []uint{decrypt, unwrap, sign}
	}
	add(class, ulong(is))
	add(ofType, ulong(keyType))
	for _, one := range []uint{onToken, private, sensitive} {
		add(one, "01")
	}
	add(extractable, "00")
	for _, use := range may {
		add(use, map[bool]string{true: "01", false: "00"}[slices.Contains(uses, use)])
	}
	if len(only) > 0 {
		all := ""
		for _, mechanism := range only {
			all += ulong(mechanism)
		}
		add(allowedMechanisms, all)
	}
	k.have(t, "nameless", append([]string{fmt.Sprintf("%#x", keyType)}, args...)...)
}

// ulong is a CK_ULONG in hexadecimal.
func ulong(n uint) string {
	return fmt.Sprintf("%x", binary.NativeEndian.AppendUint64(nil, uint64(n)))
}

// have lets p11list do something in the token as the user.
func (k Tok) have(t testing.TB, what string, args ...string) {
	t.Helper()
	for _, s := range k.slots(t) {
		if s.serial == k.Serial && s.initialised() {
			k.list(t, k.PIN+"\n", append([]string{what, strconv.FormatUint(uint64(s.number), 10)}, args...)...)
			return
		}
	}
	t.Fatalf("the token with serial number %s is not there", k.Serial)
}
