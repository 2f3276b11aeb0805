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
	// Unreadable is an object of which the token tells nothing but an error: one
	// whose making broke off before it was said what it is, or one of a kind that
	// this version of the library does not know.
	Unreadable Class = "unreadable"
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
	// Modulus is that of an RSA key, public or private: it tells which two are a
	// pair. Empty: not told.
	Modulus []byte
	// KCV is the check value, six hexadecimal digits, or "".
	KCV string
	// Empty: it is proved that it has no value. Asked of keys without a name.
	Empty bool
}

// String names the key as people know it.
func (k Key) String() string {
	return fmt.Sprintf("%q (id %s)", k.Label, hex.EncodeToString(k.ID))
}

// Unnamed tells whether nothing names it.
func (k Key) Unnamed() bool { return k.Label == "" && len(k.ID) == 0 }

// Halfway tells whether it is a key whose making broke off: no name, and proved
// to have no value.
func (k Key) Halfway() bool { return k.Unnamed() && k.Empty }

// Unproven tells whether it may be such a key, or somebody's that works: no name,
// and no value that the token tells of.
func (k Key) Unproven() bool { return k.valueless() && !k.Empty }

// valueless tells whether it has no name, and no value is told of it. The bits of
// Triple-DES go without saying.
func (k Key) valueless() bool {
	switch {
	case !k.Unnamed() || k.KCV != "":
		return false
	case k.Class == Unreadable:
		return true
	case k.Class != SecretKey:
		return k.Type == "rsa" && k.Bits == 0
	}
	return k.Bits == 0 || k.Type == string(hsm.DES3)
}

// NewKey says which key to make.
type NewKey struct {
	ID         []byte
	Label      string
	Type       hsm.KeyType
	Bits       int
	Attributes hsm.Attributes
}
