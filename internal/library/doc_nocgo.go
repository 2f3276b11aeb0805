//go:build !cgo

// Package library is a PKCS#11 library in this process. This build loads none:
// such a library is C.
package library
