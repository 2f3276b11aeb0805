package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	pkcs12 "software.sslmate.com/src/go-pkcs12"

	"ssovault/internal/secret"
)

// decodeTime bounds what the scan for rounds cannot see, such as a key inside
// an encrypted part. The most that the scan lets pass takes about half of it.
const decodeTime = 10 * time.Second

// readPKCS12 opens everything with the store's password. In PKCS#12 it is the
// key's too: keytool ignores another one that is given with it, but a service that
// asks Java for the key with another one gets an UnrecoverableKeyException.
func readPKCS12(b []byte, storePassword secret.Value, keyPassword *secret.Value) (content, error) {
	if err := wholeDER(b); err != nil {
		return content{}, err
	}
	hasMAC, err := scanPKCS12(b)
	if err != nil {
		return content{}, err
	}
	password, err := pkcs12Password(storePassword)
	if err != nil {
		return content{}, err
	}
	if !hasMAC {
		password = "" // go-pkcs12 takes no other without a MAC
	}
	file := bytes.Clone(b) // the caller's is his again, even when time runs out
	found, err := within(decodeTime, func() (content, error) {
		return decodePKCS12(file, password, keyPassword != nil)
	})
	if err != nil && !hasMAC && (errors.Is(err, ErrDamaged) || errors.Is(err, errOwnPassword)) {
		err = fmt.Errorf("%w: a PKCS#12 file without a MAC that is encrypted, or damaged; convert it: %s", ErrUnsupported, convertPKCS12)
	}
	if err == nil && keyPassword != nil && !keyPassword.Equal(storePassword) {
		return content{}, ErrOnePassword
	}
	return found, err
}

// pkcs12Password gives the password as go-pkcs12 takes it; the string cannot be
// wiped. It encodes as UCS-2, which ends at U+FFFF.
func pkcs12Password(v secret.Value) (string, error) {
	if !utf8.Valid(v.Bytes()) {
		return "", fmt.Errorf("%w: it is not UTF-8", ErrEncoding)
	}
	password := string(v.Bytes())
	if strings.ContainsFunc(password, func(r rune) bool { return r > 0xFFFF }) {
		return "", fmt.Errorf("%w: it has a character beyond U+FFFF, such as an emoji", ErrEncoding)
	}
	return password, nil
}

// within gives what decode finds, or ErrRounds after limit. Key derivation
// cannot be interrupted: the goroutine then works on until it is done, or ends
// with the process.
func within(limit time.Duration, decode func() (content, error)) (content, error) {
	type result struct {
		content content
		err     error
	}
	done := make(chan result, 1)
	go func() {
		c, err := decode()
		done <- result{c, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.content, r.err
	case <-timer.C:
		return content{}, fmt.Errorf("%w: it was given up after %v", ErrRounds, limit)
	}
}

// decodePKCS12 takes the one key's chain, and without a key the certificates
// that Java marked as trusted.
func decodePKCS12(b []byte, password string, needKey bool) (content, error) {
	key, leaf, others, err := pkcs12.DecodeChain(b, password)
	if err != nil && isAbout(err, "private key missing") {
		if needKey {
			return content{}, ErrNoKey
		}
		return decodeTrusted(b, password)
	}
	if err != nil {
		return content{}, explainPKCS12(err)
	}
	public, err := publicOf(key)
	if err != nil {
		return content{}, err
	}
	// Certificates trusted beside the key come mixed with its issuers.
	found := content{certificates: append(others, leaf), hasKey: true, public: public, mixed: true}
	return found, checkCertificates(found.certificates)
}

func decodeTrusted(b []byte, password string) (content, error) {
	trusted, err := pkcs12.DecodeTrustStore(b, password)
	if err != nil { // the file is good, but openssl -nokeys made it
		return content{}, fmt.Errorf("%w: a PKCS#12 file that holds certificates without a key, and without Java's mark of trust; "+
			"convert it: openssl pkcs12 -in OLD -nokeys -out NEW.pem", ErrUnsupported)
	}
	return content{certificates: trusted}, checkCertificates(trusted)
}

// explainPKCS12 turns an error of go-pkcs12 into one of this package. Most of
// them are texts only, and a key's lose their types on the way.
func explainPKCS12(err error) error {
	var notImplemented pkcs12.NotImplementedError
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword):
		return ErrPassword
	case isAbout(err, "exactly one key bag"):
		return ErrSeveralKeys
	case isAbout(err, "certificate missing"), isAbout(err, "this file has 0"):
		return ErrNoCertificate
	case errors.As(err, &notImplemented), isAbout(err, "not supported"):
		return fmt.Errorf("%w: %w; convert it: %s", ErrUnsupported, err, convertPKCS12)
	case isAbout(err, "unknown algorithm"):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	case isAbout(err, "decrypting PKCS#8 shrouded key bag"):
		return errOwnPassword
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

func isAbout(err error, text string) bool { return strings.Contains(err.Error(), text) }
