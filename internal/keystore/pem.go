package keystore

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"ssovault/internal/secret"
)

var (
	pemBegin = []byte("-----BEGIN ")
	pemEnd   = []byte("-----END ")
)

// hasPEM also knows a file that begins with text, as openssl writes before each
// block.
func hasPEM(b []byte) bool {
	return bytes.HasPrefix(trimBOM(b), []byte("-----")) || countLines(b, pemBegin) > 0
}

func trimBOM(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\uFEFF")) }

// countLines counts the lines that begin with start.
func countLines(b, start []byte) int {
	n := bytes.Count(b, append([]byte("\n"), start...))
	if bytes.HasPrefix(trimBOM(b), start) {
		n++
	}
	return n
}

// pemKey is a private key as its block holds it.
type pemKey struct {
	block *pem.Block
	parse func([]byte) (publicKey, error)
}

// pemKeyParsers read the unencrypted keys: PKCS#8, PKCS#1 and SEC1. Of those
// behind a password, crypto/x509 opens only what it calls insecure itself.
var pemKeyParsers = map[string]func([]byte) (publicKey, error){
	"PRIVATE KEY":           parsePKCS8,
	"ENCRYPTED PRIVATE KEY": func([]byte) (publicKey, error) { return nil, errSealedPEM },
	"RSA PRIVATE KEY": func(der []byte) (publicKey, error) {
		return parseKey(der, func(b []byte) (any, error) { return x509.ParsePKCS1PrivateKey(b) })
	},
	"EC PRIVATE KEY": func(der []byte) (publicKey, error) {
		return parseKey(der, func(b []byte) (any, error) { return x509.ParseECPrivateKey(b) })
	},
}

// readPEM takes certificates and at most one private key in any order.
// encoding/pem skips a block that it cannot read; here that is an error.
func readPEM(b []byte, _ secret.Value, keyPassword *secret.Value) (content, error) {
	begins := countLines(b, pemBegin)
	if begins > countLines(b, pemEnd) {
		return content{}, ErrTruncated
	}
	if begins > 2*maxCertificates { // two blocks each, of certificates and parameters, are generous
		return content{}, ErrLongChain
	}
	var found content
	var keys []pemKey
	blocks := 0
	for block, rest := pem.Decode(trimBOM(b)); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		key, err := found.addBlock(block)
		if err != nil {
			return content{}, err
		}
		if key != nil {
			keys = append(keys, *key)
		}
	}
	if blocks != begins {
		return content{}, fmt.Errorf("%w: %d of its %d PEM blocks cannot be read", ErrDamaged, begins-blocks, begins)
	}
	if len(keys) > 1 {
		return content{}, severalKeys(make([]string, len(keys)))
	}
	found.hasKey = len(keys) == 1
	if !found.hasKey || keyPassword == nil {
		return found, nil
	}
	var err error
	defer secret.Wipe(keys[0].block.Bytes)
	found.public, err = keys[0].parse(keys[0].block.Bytes)
	return found, err
}

// addBlock takes a certificate in, and gives a private key to be opened.
func (c *content) addBlock(block *pem.Block) (*pemKey, error) {
	switch block.Type {
	case "CERTIFICATE", "X509 CERTIFICATE":
		certificate, err := parseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		c.certificates = append(c.certificates, certificate)
		return nil, nil
	case "EC PARAMETERS", "DH PARAMETERS": // also in the key, or not needed
		return nil, nil
	}
	parse, ok := pemKeyParsers[block.Type]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: a PEM block %q; certificates and one private key are", ErrUnsupported, block.Type)
	case block.Headers["DEK-Info"] != "":
		parse = func([]byte) (publicKey, error) { return nil, errOldPEM }
	}
	return &pemKey{block: block, parse: parse}, nil
}
