package admin

import (
	"encoding/hex"
	"fmt"

	"ssovault/internal/hsm"
)

// Class is the kind of an object that is a key.
type Class string

// The classes.
const (
	SecretKey  Class = "secret"
	PublicKey  Class = "public"
	PrivateKey Class = "private"
)

// Key is a key in a token, as the token tells it.
type Key struct {
	Handle uint // in the session that told it
	Class  Class
	Type   string // aes, des3, generic, rsa, ec …
	Bits   uint   // 0: not told
	Label  string
	ID     []byte
	// Attributes are those that it has, Known those that the token told of.
	Attributes, Known hsm.Attributes
	// KCV is the check value, six hexadecimal digits, or "".
	KCV string
}

// String names the key as people know it.
func (k Key) String() string {
	return fmt.Sprintf("%q (id %s)", k.Label, hex.EncodeToString(k.ID))
}

// NewKey says which key to make.
type NewKey struct {
	ID         []byte
	Label      string
	Type       hsm.KeyType
	Bits       int
	Attributes hsm.Attributes
}
