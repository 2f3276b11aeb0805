package cryptoki

import (
	"errors"
	"strconv"
	"strings"
)

// ErrNoCode says that something names no return code.
var ErrNoCode = errors.New("a return code is a hexadecimal number (0x30), a decimal one, or a name (CKR_DEVICE_ERROR)")

// ParseCode reads a return code as people meet it: 0x30, 48, CKR_DEVICE_ERROR;
// a name in any case, with or without CKR_.
func ParseCode(s string) (uint, error) {
	s = strings.TrimSpace(s)
	if digits, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		n, err := strconv.ParseUint(digits, 16, 32)
		if err != nil {
			return 0, ErrNoCode
		}
		return uint(n), nil
	}
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return uint(n), nil
	}
	name := "CKR_" + strings.TrimPrefix(strings.ToUpper(s), "CKR_")
	for code, n := range standard {
		if n == name {
			return code, nil
		}
	}
	for code, n := range luna {
		if n == name {
			return vendorDefined + code, nil
		}
	}
	return 0, ErrNoCode
}

// Known tells whether a code has a name here.
func Known(code uint) bool {
	if _, ok := standard[code]; ok {
		return true
	}
	_, ok := luna[code-vendorDefined]
	return ok && code >= vendorDefined
}

// Meaning says in a sentence what a token means by a code, "" where the code's
// cause says it all.
func Meaning(code uint) string {
	if m := meanings[code]; m != "" {
		return m
	}
	if ambiguous[code] {
		return "by itself it says little: of a decryption, a wrong key, altered bytes and a sick device give the same code"
	}
	return ""
}

// meanings are those of the codes that an administrator of keys meets.
var meanings = map[uint]string{
	0x00:  "all went well",
	0x05:  "something went wrong in the library or the device, and it does not say what; its own log may",
	0x06:  "the device could not do it, and does not say why; its own log may",
	0x07:  "the library takes these arguments for wrong; often a parameter of a mechanism that this device does not know",
	0x10:  "this attribute cannot be set or changed, by this role or for this key (CKA_MODIFIABLE is false)",
	0x11:  "the key is sensitive or not extractable: its value is not told",
	0x12:  "the token does not know an attribute of the template",
	0x13:  "the token does not take the value of an attribute, such as the length of a key",
	0x1B:  "a policy of the device or an attribute of the key forbids it",
	0x31:  "the device has no memory left for it",
	0x54:  "the library does not have this function",
	0x62:  "the token does not make or take keys of this length",
	0x63:  "the mechanism wants a key of another type",
	0x68:  "the key may not be used for this: the attribute is missing",
	0x69:  "the key may only be wrapped by a trusted key (CKA_WRAP_WITH_TRUSTED), or not at all",
	0x6A:  "the key was made so that it never leaves the token",
	0x70:  "the token does not offer this mechanism, or not in its present mode (FIPS)",
	0x71:  "the token does not take the parameter of the mechanism",
	0xA0:  "the PIN is wrong; the token may count it, and lock the role after a few",
	0xA1:  "a new PIN has a form that the token does not take",
	0xA2:  "a new PIN is too short or too long for the token",
	0xA3:  "the PIN has to be changed before anything else; a first PIN often has to",
	0xA4:  "too many wrong PINs: the role is locked",
	0xB1:  "the device has no session left",
	0xB5:  "the session may only read",
	0xD0:  "an attribute that the token needs is missing",
	0xD1:  "attributes of the template contradict each other, or a policy of the token",
	0xE0:  "there is no token in the slot: a device that is away, or a partition that is not assigned",
	0x100: "this library is logged in already",
	0x101: "nobody is logged in, or the login was lost with the session",
	0x102: "the security officer has not set a user PIN yet",
	0x103: "the device does not know this role",
	0x104: "another role is logged in",
	0x110: "the wrapped key does not open: it was altered, or wrapped under another key",
	0x112: "the wrapped key has an impossible length",
	0x1B8: "a new PIN is too easy to guess for the token",
}
