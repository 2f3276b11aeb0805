//go:build cgo

package p11

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// probe finds out who makes the IV, with a random text that is thrown away. The
// caller's own comes first: SoftHSM accepts a missing IV and takes zeros every
// time, so that a token is asked for IVs of its own only after it would not
// take ours.
func (k *key) probe() (sks.IVConvention, error) {
	text := make([]byte, 32)
	_, _ = rand.Read(text)
	var met []error
	for _, c := range []sks.IVConvention{sks.IVCaller, sks.IVAppended, sks.IVWritten} {
		err := k.try(c, text)
		if err == nil {
			return c, nil
		}
		if away(err) {
			return 0, k.store.fault(err, "try AES/GCM")
		}
		met = append(met, fmt.Errorf("IV by %s: %w", c, err))
	}
	cause := fault.NoGCM
	// It seals with our IV as it should, and then gives at decryption a code
	// that tells nothing: sick, rather than without AES/GCM.
	if code, ok := cryptoki.Code(met[0]); ok {
		if _, ambiguous := cryptoki.CauseOf(code); ambiguous {
			cause = fault.Unreachable
		}
	}
	return 0, &fault.Error{Op: "try AES/GCM with token " + k.store.token.String(), Cause: cause, Err: errors.Join(met...)}
}

// try seals and opens under one convention.
func (k *key) try(c sks.IVConvention, text []byte) error {
	box, err := k.seal(c, text, nil)
	if err != nil {
		return err
	}
	if c != sks.IVCaller {
		again, err := k.seal(c, text, nil)
		if err != nil {
			return err
		}
		iv, sealed, _ := c.Split(box)
		iv2, sealed2, _ := c.Split(again)
		if bytes.Equal(iv, iv2) || bytes.Equal(sealed, sealed2) {
			return fmt.Errorf("%w (%s): the same IV twice", errConvention, c)
		}
	}
	got, err := k.open(c, box, nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, text) {
		return fmt.Errorf("%w (%s): other bytes came back than were sealed", errConvention, c)
	}
	return nil
}

// away tells whether a failed try says something of the device or its session
// rather than of the convention.
func away(err error) bool {
	code, ok := cryptoki.Code(err)
	if !ok {
		return !errors.Is(err, errConvention)
	}
	cause, _ := cryptoki.CauseOf(code)
	return cause != fault.Unclassified && cause != fault.NoGCM
}
