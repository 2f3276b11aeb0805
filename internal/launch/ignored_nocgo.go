//go:build !cgo

package launch

// ignoreAgain needs cgo; without it there is no PKCS#11 either.
func ignoreAgain() {}
