package keystore

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"

	"ssovault/internal/secret"
)

// passphrase is a password in the two forms that PKCS#12 mixes.
type passphrase struct {
	text string // PBES2 and PBMAC1 take UTF-8, as RFC 8018 3 recommends and Java, OpenSSL and Windows do
	bmp  []byte // PKCS#12's own derivation takes UTF-16BE with a final zero (RFC 7292 B.1)
}

func newPassphrase(v secret.Value) (passphrase, error) {
	if !utf8.Valid(v.Bytes()) {
		return passphrase{}, fmt.Errorf("%w: it is not UTF-8", ErrEncoding)
	}
	p := passphrase{text: string(v.Bytes())}
	for _, u := range utf16.Encode([]rune(p.text)) {
		p.bmp = append(p.bmp, byte(u>>8), byte(u))
	}
	p.bmp = append(p.bmp, 0, 0)
	return p, nil
}

func (p passphrase) wipe() { secret.Wipe(p.bmp) }

// maxRounds is what one file may cost in all: some seconds. Java writes 10,000
// a step, OpenSSL 2,048; the count is 32 bits, hours of work, and the file's
// author chooses it.
const maxRounds = 10_000_000

// rounds is what is left of maxRounds.
type rounds struct{ left int }

func newRounds() *rounds { return &rounds{left: maxRounds} }

// spend takes the cost of deriving so many hash outputs.
func (r *rounds) spend(iterations, outputs int) error {
	if iterations < 1 {
		return fmt.Errorf("%w: it derives a key in %d rounds", ErrDamaged, iterations)
	}
	if iterations > r.left/outputs {
		return fmt.Errorf("%w: %d, where all steps together may take %d", ErrRounds, iterations, maxRounds)
	}
	r.left -= iterations * outputs
	return nil
}
