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

// Meaning says in a sentence what a token means by a code, "" for one of which
// its name says all that is known.
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
	0x01:  "what was asked for was broken off, at the device itself perhaps",
	0x02:  "the machine has no memory left for the library",
	0x03:  "there is no such slot: the library numbers them anew when tokens come and go",
	0x05:  "something went wrong in the library or the device, and it does not say what; its own log may",
	0x06:  "the device could not do it, and does not say why; its own log may",
	0x07:  "the library takes these arguments for wrong; often a parameter of a mechanism that this device does not know",
	0x10:  "this attribute cannot be set or changed, by this role or for this key (CKA_MODIFIABLE is false)",
	0x11:  "the key is sensitive or not extractable: its value is not told",
	0x12:  "the token does not know an attribute of the template",
	0x13:  "the token does not take the value of an attribute, such as the length of a key",
	0x1B:  "a policy of the device or an attribute of the key forbids it",
	0x30:  "the device is out of order, or the library lost it on the way; its own log may say more",
	0x31:  "the device has no memory left for it",
	0x32:  "the token was taken away while it was used",
	0x50:  "what was asked for was broken off",
	0x54:  "the library does not have this function",
	0x60:  "the key is not there any more: it was deleted, or the session that knew it has ended",
	0x62:  "the token does not make or take keys of this length",
	0x63:  "the mechanism wants a key of another type",
	0x68:  "the key may not be used for this: the attribute is missing",
	0x69:  "the key may only be wrapped by a trusted key (CKA_WRAP_WITH_TRUSTED), or not at all",
	0x6A:  "the key was made so that it never leaves the token",
	0x70:  "the token does not offer this mechanism, or not in its present mode (FIPS)",
	0x71:  "the token does not take the parameter of the mechanism",
	0x82:  "the object is not there any more: it was deleted, or the session that knew it has ended",
	0xA0:  "the PIN is wrong; the token may count it, and lock the role after a few",
	0xA1:  "a new PIN has a form that the token does not take",
	0xA2:  "a new PIN is too short or too long for the token",
	0xA3:  "the PIN has to be changed before anything else; a first PIN often has to",
	0xA4:  "too many wrong PINs: the role is locked",
	0xB0:  "the session was closed while it was used: by the device, or since the token went away",
	0xB1:  "the device has no session left",
	0xB3:  "the session is not there any more: the token went away, or the device began anew",
	0xB5:  "the session may only read",
	0xD0:  "an attribute that the token needs is missing",
	0xD1:  "attributes of the template contradict each other, or a policy of the token",
	0xE0:  "there is no token in the slot: a device that is away, or a partition that is not assigned",
	0xE1:  "the library does not know what is in the slot",
	0xE2:  "the token takes no changes",
	0x100: "this library is logged in already",
	0x101: "nobody is logged in, or the login was lost with the session",
	0x102: "the security officer has not set a user PIN yet",
	0x103: "the device does not know this role",
	0x104: "another role is logged in",
	0x110: "the wrapped key does not open: it was altered, or wrapped under another key",
	0x112: "the wrapped key has an impossible length",
	0x190: "the library was not started, or was ended by another part of the same program",
	0x191: "the library was started already by another part of the same program",
	0x1B8: "a new PIN is too easy to guess for the token",

	vendorDefined + 0x05: "Luna: the channel to the partition is gone",
	vendorDefined + 0x07: "Luna: too many wrong PINs: the role is locked out",
	vendorDefined + 0x1A: "Luna: this role, a Crypto User perhaps, may not do that",
	vendorDefined + 0x1F: "Luna: the client reaches no appliance: network, NTLS certificates, or the appliance itself",
	vendorDefined + 0x20: "Luna: the partition was disabled, after too many wrong PINs of its security officer perhaps",
	vendorDefined + 0x23: "Luna: the appliance did not answer in time",
	vendorDefined + 0x24: "Luna: the appliance did not answer in time",
	vendorDefined + 0x26: "Luna: the device has erased its keys",
	vendorDefined + 0x2B: "Luna: the device did not answer in time",
	vendorDefined + 0x52: "Luna: the secure channel (STC) to the partition is gone",
	vendorDefined + 0x53: "Luna: the secure channel (STC) to the partition is gone",
	vendorDefined + 0x56: "Luna: there is no secure channel (STC) to the partition",
	vendorDefined + 0x67: "Luna: the challenge secret is wrong; the device counts it",
	vendorDefined + 0x6E: "Luna: the device is in secure transport mode, and does nothing until that is ended",
	vendorDefined + 0x76: "Luna: the device was tampered with, or believes so",
	vendorDefined + 0x8D: "Luna: the device has to be started anew before it does anything",
}
