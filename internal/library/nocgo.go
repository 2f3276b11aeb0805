//go:build !cgo

// Package library is a PKCS#11 library in this process. This build loads none:
// such a library is C.
package library

import "ssovault/internal/fault"

// ErrNoCgo is the answer of a build that can load no library. Cause Unreachable.
func ErrNoCgo() error {
	return fault.New(fault.Unreachable, "built without cgo: no PKCS#11").
		With("install a build of ssovault that was made with cgo")
}
