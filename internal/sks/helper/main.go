package helper

import (
	"time"

	"ssovault/internal/isolate"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/p11"
)

// Argument is the first argument of a helper process.
const Argument = "__pkcs11"

var protocol = isolate.Protocol{Argument: Argument, Known: []error{sks.ErrRefused, sks.ErrCannotRemember}}

// Main is the whole of a helper process: it serves the requests of the process
// that started it, and ends with it. It never returns, and is to be called
// before anything else when Argument is the first argument.
func Main() {
	s := &server{
		open: func(a sks.Access, pin secret.Value) (device, sks.Token, error) {
			store, token, err := p11.Open(a, pin)
			if err != nil {
				return nil, token, err
			}
			return store, token, nil
		},
		tokens: func(library string, lockWait time.Duration) ([]sks.Token, error) {
			return p11.Tokens(library, lockWait)
		},
	}
	protocol.Main(s.answer)
}
