//go:build !cgo

package admin

import (
	"ssovault/internal/isolate"
	"ssovault/internal/library"
)

// server is that of a build without cgo: it knows no library.
type server struct{}

func (*server) answer([]byte, []byte) (isolate.Answer, error) {
	return isolate.Answer{Message: new(response), Err: library.ErrNoCgo(), Last: true}, nil
}
