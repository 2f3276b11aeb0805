package cryptoki

import "ssovault/internal/fault"

// Codes that callers ask for by name.
const (
	GeneralError          = 0x05
	AttributeTypeInvalid  = 0x12
	MechanismInvalid      = 0x70
	PINIncorrect          = 0xA0
	PINInvalid            = 0xA1
	PINLenRange           = 0xA2
	PINExpired            = 0xA3
	PINLocked             = 0xA4
	UserNotLoggedIn       = 0x101
	UserPINNotInitialized = 0x102
	UserTypeInvalid       = 0x103
	PINTooWeak            = 0x1B8
)

// causes gives the codes that stand for one cause wherever they appear.
var causes = map[uint]fault.Cause{
	// The session, the token or the way to it is gone: reconnect.
	0x30:  fault.Unreachable, // DEVICE_ERROR
	0x31:  fault.Unreachable, // DEVICE_MEMORY
	0x32:  fault.Unreachable, // DEVICE_REMOVED
	0x03:  fault.Unreachable, // SLOT_ID_INVALID: the slots were renumbered
	0xB0:  fault.Unreachable, // SESSION_CLOSED
	0xB1:  fault.Unreachable, // SESSION_COUNT
	0xB3:  fault.Unreachable, // SESSION_HANDLE_INVALID
	0xE0:  fault.Unreachable, // TOKEN_NOT_PRESENT
	0xE1:  fault.Unreachable, // TOKEN_NOT_RECOGNIZED
	0x101: fault.Unreachable, // USER_NOT_LOGGED_IN: the login was lost
	0x190: fault.Unreachable, // CRYPTOKI_NOT_INITIALIZED
	0x82:  fault.Unreachable, // OBJECT_HANDLE_INVALID: handles end with a session's login
	0x60:  fault.Unreachable, // KEY_HANDLE_INVALID

	// Stop and ask: trying again could lock the role.
	0xA0:  fault.PINRefused, // PIN_INCORRECT
	0xA1:  fault.PINRefused, // PIN_INVALID
	0xA2:  fault.PINRefused, // PIN_LEN_RANGE
	0xA3:  fault.PINUnavailable,
	0xA4:  fault.PINLocked,
	0x102: fault.PINUnavailable, // USER_PIN_NOT_INITIALIZED

	0x68: fault.NoGCM, // KEY_FUNCTION_NOT_PERMITTED
	0x70: fault.NoGCM, // MECHANISM_INVALID
	0x71: fault.NoGCM, // MECHANISM_PARAM_INVALID

	0x1B:  fault.NotPermitted, // ACTION_PROHIBITED
	0xE2:  fault.NotPermitted, // TOKEN_WRITE_PROTECTED
	0x103: fault.NotPermitted, // USER_TYPE_INVALID: the device knows no such role

	vendorDefined + 0x05: fault.Unreachable, // Luna: sessions and channel
	vendorDefined + 0x1F: fault.Unreachable, // Luna: unable to connect
	vendorDefined + 0x23: fault.Unreachable,
	vendorDefined + 0x24: fault.Unreachable,
	vendorDefined + 0x2B: fault.Unreachable,
	vendorDefined + 0x52: fault.Unreachable,
	vendorDefined + 0x53: fault.Unreachable,
	vendorDefined + 0x56: fault.Unreachable,
	vendorDefined + 0x07: fault.PINLocked,
	vendorDefined + 0x67: fault.PINRefused, // a wrong challenge secret
	vendorDefined + 0x1A: fault.NotPermitted,
	vendorDefined + 0x20: fault.DeviceLockedDown, // partition disabled
	vendorDefined + 0x26: fault.DeviceLockedDown, // zeroized
	vendorDefined + 0x76: fault.DeviceLockedDown, // tampered
	vendorDefined + 0x8D: fault.DeviceLockedDown, // restart required
	vendorDefined + 0x6E: fault.DeviceLockedDown, // in secure transport mode
}

// ambiguous holds the codes that a decryption gives for a wrong key, for
// altered bytes and for a sick device alike: SoftHSM says GENERAL_ERROR for all
// three, NSS ENCRYPTED_DATA_INVALID.
var ambiguous = map[uint]bool{
	0x05: true, // GENERAL_ERROR
	0x06: true, // FUNCTION_FAILED
	0x20: true, // DATA_INVALID
	0x21: true, // DATA_LEN_RANGE
	0x40: true, // ENCRYPTED_DATA_INVALID
	0x41: true, // ENCRYPTED_DATA_LEN_RANGE
	0x42: true, // AEAD_DECRYPT_FAILED (3.0)
	0xC0: true, // SIGNATURE_INVALID: a tag is a signature to some devices
	0xC1: true, // SIGNATURE_LEN_RANGE
}

// CauseOf gives the cause that a return code stands for, Unclassified if it
// stands for none. An ambiguous code tells nothing by itself: on a decryption
// it may mean a wrong key, altered bytes or a sick device.
func CauseOf(code uint) (cause fault.Cause, isAmbiguous bool) {
	return causes[code], ambiguous[code]
}

// CannotKeepObject tells whether a return code of C_CreateObject means that
// this token, or the role that is logged in, keeps no such objects.
func CannotKeepObject(code uint) bool {
	switch code {
	case 0x10, 0x12, 0x13, // ATTRIBUTE_READ_ONLY, _TYPE_INVALID, _VALUE_INVALID
		0x1B, 0x54, // ACTION_PROHIBITED, FUNCTION_NOT_SUPPORTED
		0xB5, 0xB7, // SESSION_READ_ONLY, SESSION_READ_ONLY_EXISTS
		0xD0, 0xD1, 0xE2, // TEMPLATE_INCOMPLETE, _INCONSISTENT, TOKEN_WRITE_PROTECTED
		vendorDefined + 0x1A, vendorDefined + 0x30: // Luna's Crypto User
		return true
	}
	return false
}
