//go:build !cgo

package cryptoki

// typed finds a code that came from another process: without cgo there is no
// binding, and so no error of its type.
func typed(err error) (uint, bool) { return coded(err) }
