//go:build cgo

// Package library is a PKCS#11 library in this process: loaded, or the reason
// why it cannot be; its tokens as it shows them; objects found and read. Such a
// library can hang or crash its process, so it is used only in processes that
// package isolate starts.
package library

import (
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"ssovault/internal/sks"
)

// Load loads a library and says why it cannot. Cause Unreachable.
func Load(path string) (*pkcs11.Ctx, error) {
	if lib := pkcs11.New(path); lib != nil {
		return lib, nil
	}
	return nil, loadError(path)
}

// Trim takes the padding off a text of a library: the standard pads with
// blanks, some libraries with zeros.
func Trim(s string) string { return strings.TrimRight(s, " \x00") }

// Describe says what a library tells of one token without a login.
func Describe(slot uint, i pkcs11.TokenInfo) sks.Token {
	t := sks.Token{
		Slot:         slot,
		Label:        Trim(i.Label),
		Serial:       Trim(i.SerialNumber),
		Manufacturer: Trim(i.ManufacturerID),
		Model:        Trim(i.Model),
		Firmware:     fmt.Sprintf("%d.%d", i.FirmwareVersion.Major, i.FirmwareVersion.Minor),
		Initialised:  i.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0,
		UserPINSet:   i.Flags&pkcs11.CKF_USER_PIN_INITIALIZED != 0,
	}
	t.Tries = Tries(i.Flags, pkcs11.CKF_USER_PIN_LOCKED, pkcs11.CKF_USER_PIN_FINAL_TRY, pkcs11.CKF_USER_PIN_COUNT_LOW)
	return t
}

// Tries reads from a token's flags how many tries a PIN has left, by the three
// flags that are of that PIN.
func Tries(flags, locked, final, low uint) sks.Tries {
	switch {
	case flags&locked != 0:
		return sks.TriesLocked
	case flags&final != 0:
		return sks.TriesFinal
	case flags&low != 0:
		return sks.TriesLow
	}
	return sks.TriesUnknown
}
