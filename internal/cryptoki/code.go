// Package cryptoki reads the return codes of PKCS#11 libraries: their names,
// and the causes that they stand for.
package cryptoki

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ssovault/internal/fault"
)

// marker is how the binding's text of a return code begins:
// "pkcs11: 0x30: CKR_DEVICE_ERROR".
const marker = "pkcs11: 0x"

// Code finds the return code in err. It looks for the binding's own type first,
// then reads the text: crypto11 flattens what Seal and Open met into words.
func Code(err error) (code uint, ok bool) {
	if err == nil {
		return 0, false
	}
	if code, ok = typed(err); ok {
		return code, true
	}
	return inText(err.Error())
}

// A Coder is an error that knows the return code it was made from. It lets a
// code pass where the binding's own type cannot, such as between processes.
type Coder interface {
	error
	ReturnCode() uint
}

func coded(err error) (uint, bool) {
	var c Coder
	if errors.As(err, &c) {
		return c.ReturnCode(), true
	}
	return 0, false
}

// inText reads the first return code that a text names.
func inText(text string) (uint, bool) {
	for {
		_, rest, found := strings.Cut(text, marker)
		if !found {
			return 0, false
		}
		digits, _, colon := strings.Cut(rest, ":")
		// A CK_RV is an unsigned long; no code uses more than 32 bits of it.
		if n, err := strconv.ParseUint(digits, 16, 32); colon && err == nil {
			return uint(n), true
		}
		text = rest
	}
}

// Name gives a return code as the standard or the Luna client names it, else as
// a number.
func Name(code uint) string {
	if n, ok := standard[code]; ok {
		return n
	}
	if code >= vendorDefined {
		if n, ok := luna[code-vendorDefined]; ok {
			return n
		}
		return fmt.Sprintf("vendor code 0x%X", code)
	}
	return fmt.Sprintf("return code 0x%X", code)
}

// Fault gives err the cause of its return code and says what was being done.
// What has no code, or one that tells nothing, gets cause Unreachable: the
// device was asked and did not do its work. A cause that err already has stays.
// It returns nil when err is nil.
func Fault(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	if fault.Of(err) != fault.Unclassified {
		return fault.Wrap(fault.Unclassified, err, format, args...)
	}
	cause := fault.Unreachable
	if code, ok := Code(err); ok {
		if c, _ := CauseOf(code); c != fault.Unclassified {
			cause = c
		}
		// The binding knows no vendor's names.
		if name := Name(code); !strings.Contains(err.Error(), name) {
			err = fmt.Errorf("%w%s", err, name) // its text ends with ": "
		}
	}
	return fault.Wrap(cause, err, format, args...)
}
