//go:build !cgo

// Package p11 is secure key storage in a PKCS#11 token. This build has none:
// a PKCS#11 library is C.
package p11

import (
	"time"

	"ssovault/internal/library"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Store is never made by this build.
type Store struct {
	sks.Store
	sks.Rememberer
	sks.Keeper
}

// Open answers cause Unreachable and wipes pin.
func Open(_ sks.Access, pin secret.Value) (*Store, sks.Token, error) {
	pin.Wipe()
	return nil, sks.Token{}, library.ErrNoCgo()
}

// Tokens answers cause Unreachable.
func Tokens(string, time.Duration) ([]sks.Token, error) {
	return nil, library.ErrNoCgo()
}
