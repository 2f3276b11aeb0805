package recovery

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"ssovault/internal/secret"
)

// Signer is the ed25519 public key that recovery files and shares are judged
// by. It is kept outside of the server, beside the identity or in the shares:
// whoever could write the file could write another signer into it.
type Signer [ed25519.PublicKeySize]byte

// String gives the key as thirteen groups of four letters.
func (s Signer) String() string { return groups(letters.EncodeToString(s[:]), "-") }

// ParseSigner reads what String gives, however it was typed.
func ParseSigner(text string) (s Signer, err error) {
	b, err := letters.DecodeString(normal(text))
	if err != nil || len(b) != len(s) || letters.EncodeToString(b) != normal(text) {
		return Signer{}, errors.New("a signer is thirteen groups of four letters (ABCD-EFGH-…), the last of them one of A, I, Q, Y")
	}
	copy(s[:], b)
	return s, nil
}

// Is compares in constant time.
func (s Signer) Is(other Signer) bool { return subtle.ConstantTimeCompare(s[:], other[:]) == 1 }

func (s Signer) verify(message, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(s[:], message, signature)
}

// SigningKey signs the recovery files and the shares of one instance. It lies
// inside the sealed settings and nowhere else.
type SigningKey struct{ seed secret.Value }

// NewSigningKey makes one.
func NewSigningKey() SigningKey {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails: crypto/rand ends the program instead
	return SigningKey{secret.New(seed)}
}

func parseSigningKey(text string) (SigningKey, error) {
	seed, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(seed) != ed25519.SeedSize {
		return SigningKey{}, errors.New("not 32 bytes in base64") // its value is not repeated
	}
	return SigningKey{secret.New(seed)}, nil
}

// text is how the settings hold the key.
func (k SigningKey) text() string { return base64.StdEncoding.EncodeToString(k.seed.Bytes()) }

// Signer is the public half.
func (k SigningKey) Signer() (s Signer) {
	private := ed25519.NewKeyFromSeed(k.seed.Bytes())
	defer clear(private)
	copy(s[:], private[ed25519.SeedSize:])
	return s
}

func (k SigningKey) sign(message []byte) []byte {
	private := ed25519.NewKeyFromSeed(k.seed.Bytes())
	defer clear(private)
	return ed25519.Sign(private, message)
}

// Wipe overwrites the key.
func (k SigningKey) Wipe() { k.seed.Wipe() }
