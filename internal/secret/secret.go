// Package secret holds bytes that must not be printed, marshalled or compared
// in variable time: PINs, passwords, key components.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
)

// redacted is what every formatting of a Value gives.
const redacted = "[secret]"

// ErrMarshal is the answer to every attempt to encode a Value.
var ErrMarshal = errors.New("a secret is never encoded")

// Value is a secret. The zero Value is empty. A Value must not be used by two
// goroutines at once while one of them wipes it.
//
// The bytes are behind a pointer: %p and verbs that a type does not know print
// a value's own fields, whatever its Format says, but no more than addresses.
type Value struct{ p *[]byte }

// New takes b over: the caller must not use it afterwards.
func New(b []byte) Value { return Value{p: &b} }

// Bytes gives the secret itself, not a copy.
func (v Value) Bytes() []byte {
	if v.p == nil {
		return nil
	}
	return *v.p
}

// Len gives the length in bytes.
func (v Value) Len() int { return len(v.Bytes()) }

// Clone gives an independent copy, to be wiped by its holder.
func (v Value) Clone() Value { return New(append([]byte(nil), v.Bytes()...)) }

// Equal compares in a time that depends on the lengths alone.
func (v Value) Equal(w Value) bool { return subtle.ConstantTimeCompare(v.Bytes(), w.Bytes()) == 1 }

// Wipe overwrites the secret with zeros. It may be called more than once.
func (v Value) Wipe() { Wipe(v.Bytes()) }

// Format makes every verb of package fmt print the same placeholder.
func (v Value) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(redacted)) }

// MarshalText refuses; it also stops encoding/json and encoding/xml.
func (v Value) MarshalText() ([]byte, error) { return nil, ErrMarshal }

// MarshalBinary refuses; it also stops encoding/gob.
func (v Value) MarshalBinary() ([]byte, error) { return nil, ErrMarshal }

// Wipe overwrites b with zeros.
func Wipe(b []byte) { clear(b) }
