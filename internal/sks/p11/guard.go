//go:build cgo

package p11

import "runtime"

// guard runs f and turns a panic with an error into that error: crypto11's
// AEAD.Seal has no error result and panics on whatever the device says. Bugs
// of a program panic too, and are left to end the process.
func guard(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			panic(p)
		case error:
			err = p
		default:
			panic(p)
		}
	}()
	return f()
}
