//go:build cgo

package cryptoki

import (
	"errors"

	"github.com/miekg/pkcs11"
)

// typed finds a code that is still an error of the binding.
func typed(err error) (uint, bool) {
	var e pkcs11.Error
	if errors.As(err, &e) {
		return uint(e), true
	}
	return coded(err)
}
