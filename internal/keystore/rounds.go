package keystore

import (
	"encoding/asn1"
	"fmt"
)

const (
	// maxRounds is what one PKCS#12 file may ask for in all: some seconds. Java
	// writes 10,000 a step, OpenSSL 2,048; the field allows for hours, and the
	// file's author fills it in.
	maxRounds = 10_000_000

	// maxDepth is where the scan stops. A key's PBKDF2 parameters (RFC 7292 4,
	// RFC 8018 A) are 16 levels deep; a hostile file could have millions.
	maxDepth = 20
)

// scanPKCS12 tells whether a file has a MAC, and refuses one whose visible parts
// ask for too many rounds before any is done. Errors: ErrRounds, ErrDamaged.
func scanPKCS12(b []byte) (hasMAC bool, err error) {
	var file struct {
		Version  int
		AuthSafe asn1.RawValue
		MAC      asn1.RawValue `asn1:"optional"`
	}
	if err := unmarshal(b, &file); err != nil {
		return false, err
	}
	if n := visibleRounds(b, maxDepth); n > maxRounds {
		return false, fmt.Errorf("%w: at least %d, where all steps together may take %d", ErrRounds, n, maxRounds)
	}
	return len(file.MAC.FullBytes) > 0, nil
}

// visibleRounds adds up all numbers that follow a salt: the MAC, PKCS#12's own
// schemes (RFC 7292 4 and C), PBKDF2 (RFC 8018 A.2) all have an OCTET STRING and
// then the INTEGER of rounds. It ends soon after maxRounds.
func visibleRounds(b []byte, depth int) int {
	total := 0
	for afterSalt := false; len(b) > 0 && total <= maxRounds; {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(b, &v)
		if err != nil {
			break
		}
		octets := v.Tag == asn1.TagOctetString // go-pkcs12 takes one of any class
		switch {
		case depth > 0 && (v.IsCompound || isSequence(v.Bytes)):
			total += visibleRounds(v.Bytes, depth-1)
		case afterSalt && v.Tag == asn1.TagInteger:
			var n int
			if _, err := asn1.Unmarshal(v.FullBytes, &n); err == nil && n > 0 {
				total += min(n, maxRounds+1)
			}
		}
		afterSalt, b = octets, rest
	}
	return total
}

// isSequence tells a structure inside an OCTET STRING from a salt or something
// encrypted. Of the outermost one, go-pkcs12 does not look at the tag.
func isSequence(b []byte) bool {
	const sequence = 0x30
	return len(b) > 0 && b[0] == sequence && wholeDER(b) == nil
}
