package recovery

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// identitySize is the length of an X25519 secret key in bytes.
const identitySize = 32

// MaxIdentityFile bounds an identity file.
const MaxIdentityFile = 64 << 10

// Identity opens recovery files, and may know whose signature they must bear.
type Identity struct {
	all []age.Identity
	// Signer is whom the file is judged by; nil when the identity came without.
	Signer *Signer
	// Instance is whose recovery it is for; "" when it does not say.
	Instance string
}

// NewKey makes the secret half of an identity.
func NewKey() secret.Value {
	b := make([]byte, identitySize)
	_, _ = rand.Read(b) // never fails
	return secret.New(b)
}

// keyText is a secret key as age reads it.
func keyText(key secret.Value) string { return bech32("AGE-SECRET-KEY-", key.Bytes()) }

// RecipientOf is the public half of a key.
func RecipientOf(key secret.Value) (string, error) {
	id, err := age.ParseX25519Identity(keyText(key))
	if err != nil {
		return "", errors.New("not the key of an age identity")
	}
	return id.Recipient().String(), nil
}

// Comments of an identity file that tell what age does not need to know.
const (
	recipientComment = "# public key: " // as age-keygen writes it
	signerComment    = "# ssovault signer: "
	instanceComment  = "# ssovault instance: "
)

// SignerLine is what belongs into the identity file of an own recipient.
func SignerLine(s Signer) string { return signerComment + s.String() }

// InstanceLine likewise.
func InstanceLine(instance string) string { return instanceComment + instance }

// IdentityFile writes a key as age-keygen does, with whose recovery it opens.
// The caller wipes what it gets.
func IdentityFile(key secret.Value, p Public, instance string, now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# created: %s\n%s%s\n", now.UTC().Format(time.RFC3339), recipientComment, p.Recipient)
	fmt.Fprintf(&b, "%s\n%s\n%s\n", InstanceLine(instance), SignerLine(p.Signer), keyText(key))
	return b.Bytes()
}

// WroteFor tells whether a file is an identity file or a share of that recovery,
// by what it says of itself; or empty, since a crash comes between making a file
// and writing it.
func WroteFor(text []byte, p Public) bool {
	if len(text) == 0 {
		return true
	}
	recipient, _ := commentOf(text, recipientComment)
	set, _ := commentOf(text, setWord)
	return recipient == p.Recipient || set == p.Set().String()
}

// ParseIdentity reads an identity file. Cause Usage.
func ParseIdentity(text []byte) (id Identity, err error) {
	if len(text) > MaxIdentityFile {
		return id, fault.New(fault.Usage, "%d bytes are too many for an identity file", len(text))
	}
	if id.all, err = age.ParseIdentities(bytes.NewReader(text)); err != nil {
		return Identity{}, fault.New(fault.Usage, "it is no age identity file (AGE-SECRET-KEY-1…)") // its error may hold a part of the key
	}
	if comment, ok := commentOf(text, signerComment); ok {
		signer, err := ParseSigner(comment)
		if err != nil {
			return Identity{}, fault.Wrap(fault.Usage, err, "its line %q", strings.TrimSpace(signerComment))
		}
		id.Signer = &signer
	}
	id.Instance, _ = commentOf(text, instanceComment)
	return id, nil
}

// commentOf finds the rest of the first line that begins so.
func commentOf(text []byte, prefix string) (string, bool) {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}
