// Package keystore reads a TLS certificate chain, and checks its private key,
// out of JKS, PKCS#12 and PEM files as Java, OpenSSL and Windows write them.
//
// The files come from outside: every size and every count is checked before it
// costs memory or time. Nothing of a private key is kept or given out.
package keystore

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"time"

	"ssovault/internal/secret"
)

// MaxSize is the largest file, in bytes, that is read.
const MaxSize = 16 << 20

// maxCertificates is far above the four or five of a TLS chain; it keeps a
// hostile file from asking for endless signature checks, and a trust store from
// being taken for a chain.
const maxCertificates = 32

// Kind is the format of a key store.
type Kind uint8

// The formats. Do not reorder.
const (
	JKS Kind = iota
	PKCS12
	PEM
)

// String gives the format's name.
func (k Kind) String() string { return [...]string{"JKS", "PKCS#12", "PEM"}[k] }

// Ext gives the usual extension of a file of that format, with its dot.
func (k Kind) Ext() string { return [...]string{".jks", ".p12", ".pem"}[k] }

// Chain is what a key store holds for a TLS server.
type Chain struct {
	Kind         Kind
	Alias        string              // the key's name in a JKS; the others' is not read
	Certificates []*x509.Certificate // the server's first, then each one's issuer; none twice
	HasKey       bool
}

// Expires gives the earliest end of validity in the chain.
func (c Chain) Expires() time.Time {
	var first time.Time
	for _, cert := range c.Certificates {
		if first.IsZero() || cert.NotAfter.Before(first) {
			first = cert.NotAfter
		}
	}
	return first
}

// Detect tells the format from the first bytes, whatever the file is called:
// since Java 9 a ".jks" is usually PKCS#12. It does not look further. Errors:
// ErrTooLarge, ErrEmpty, ErrNotKeyStore, ErrTruncated, ErrJCEKS, ErrDER, ErrP7B.
func Detect(b []byte) (Kind, error) {
	switch {
	case len(b) > MaxSize:
		return 0, ErrTooLarge
	case len(b) == 0:
		return 0, ErrEmpty
	case len(b) < 4:
		return 0, ErrNotKeyStore
	case bytes.HasPrefix(b, []byte{0xFE, 0xED, 0xFE, 0xED}):
		return JKS, nil
	case bytes.HasPrefix(b, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return 0, ErrJCEKS
	case b[0] == 0x30:
		return detectDER(b)
	case hasPEM(b):
		return PEM, nil
	}
	return 0, ErrNotKeyStore
}

// Open reads the chain and checks that the private key opens with keyPassword
// (with storePassword where that is empty) and belongs to the first
// certificate. PKCS#12 has one password for both: another keyPassword is
// ErrOnePassword, since Java does not open the key with it. b may be wiped
// afterwards. The errors wrap this package's.
func Open(b []byte, storePassword, keyPassword secret.Value) (Chain, error) {
	if keyPassword.Len() == 0 {
		keyPassword = storePassword
	}
	return open(b, storePassword, &keyPassword)
}

// OpenChain reads the chain alone; a file without a private key will do, in
// PKCS#12 one that Java wrote. The errors wrap this package's.
func OpenChain(b []byte, storePassword secret.Value) (Chain, error) {
	return open(b, storePassword, nil)
}

// content is what a format's reader found.
type content struct {
	alias        string
	certificates []*x509.Certificate
	hasKey       bool
	public       publicKey // of the private key, where it was opened
	mixed        bool      // certificates that have nothing to do with the chain may be among them
}

// open reads the key only when keyPassword is not nil.
func open(b []byte, storePassword secret.Value, keyPassword *secret.Value) (Chain, error) {
	kind, err := Detect(b)
	if err != nil {
		return Chain{}, err
	}
	read := map[Kind]func([]byte, secret.Value, *secret.Value) (content, error){
		JKS: readJKS, PKCS12: readPKCS12, PEM: readPEM,
	}[kind]
	c, err := read(b, storePassword, keyPassword)
	if err != nil {
		return Chain{}, err
	}
	switch {
	case keyPassword != nil && !c.hasKey:
		return Chain{}, ErrNoKey
	case len(c.certificates) == 0:
		return Chain{}, ErrNoCertificate
	}
	ordered, err := order(c.certificates, c.public, c.mixed)
	if err != nil {
		return Chain{}, err
	}
	if ordered, err = ownCopies(ordered); err != nil {
		return Chain{}, err
	}
	return Chain{Kind: kind, Alias: c.alias, Certificates: ordered, HasKey: c.hasKey}, nil
}

// ownCopies makes certificates that share no memory with the file that they were
// read from: who read it wipes it.
func ownCopies(all []*x509.Certificate) ([]*x509.Certificate, error) {
	own := make([]*x509.Certificate, len(all))
	for i, c := range all {
		var err error
		if own[i], err = x509.ParseCertificate(bytes.Clone(c.Raw)); err != nil {
			return nil, fmt.Errorf("%w: a certificate cannot be read: %w", ErrDamaged, err)
		}
	}
	return own, nil
}
