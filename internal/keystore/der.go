package keystore

import (
	"bytes"
	"encoding/asn1"
	"fmt"
)

// derHeader reads the tag and length that a DER value begins with: how long
// they are, and how long the value is.
func derHeader(b []byte) (header int, length uint64, err error) {
	const indefinite = 0x80
	switch {
	case len(b) < 2:
		return 0, 0, ErrTruncated
	case b[1] < indefinite:
		return 2, uint64(b[1]), nil
	case b[1] == indefinite:
		return 2, 0, ErrBER
	}
	octets := int(b[1] &^ indefinite)
	if octets > 8 {
		return 0, 0, ErrLength
	}
	if len(b) < 2+octets {
		return 0, 0, ErrTruncated
	}
	for _, o := range b[2 : 2+octets] {
		length = length<<8 | uint64(o)
	}
	return 2 + octets, length, nil
}

// detectDER tells PKCS#12, a SEQUENCE that begins with the version 3 (RFC 7292
// 4), from what else is a SEQUENCE.
func detectDER(b []byte) (Kind, error) {
	header, _, err := derHeader(b)
	if err != nil && err != ErrBER {
		return 0, err
	}
	inner := b[header:]
	for _, form := range []struct {
		start []byte
		err   error
	}{
		{[]byte{0x02, 0x01, 0x03}, err},    // PFX, perhaps in BER
		{[]byte{0x02, 0x01, 0x00}, ErrDER}, // PKCS#1 or PKCS#8
		{[]byte{0x02, 0x01, 0x01}, ErrDER}, // SEC1
		{[]byte{0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07}, ErrP7B},
		{[]byte{0x30}, ErrDER}, // a certificate, or an encrypted PKCS#8
	} {
		if bytes.HasPrefix(inner, form.start) {
			return PKCS12, form.err
		}
		if len(inner) < len(form.start) && bytes.HasPrefix(form.start, inner) {
			return 0, ErrTruncated
		}
	}
	return 0, ErrNotKeyStore
}

// wholeDER checks that b is one value, no less and no more.
func wholeDER(b []byte) error {
	header, length, err := derHeader(b)
	switch have := uint64(len(b) - header); {
	case err != nil:
		return err
	case length > MaxSize:
		return ErrLength
	case length > have:
		return ErrTruncated
	case length < have:
		return fmt.Errorf("%w: %d bytes follow its end", ErrDamaged, have-length)
	}
	return nil
}

// unmarshal reads one DER value, all of b.
func unmarshal(b []byte, v any) error {
	rest, err := asn1.Unmarshal(b, v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes follow", len(rest))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}
