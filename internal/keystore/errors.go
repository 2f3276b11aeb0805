package keystore

import (
	"errors"
	"fmt"
	"strings"
)

// What can be said of a file. Each is a sentence for the person who gave it;
// several are wrapped with what exactly was met.
var (
	ErrTooLarge    = errors.New("the file is larger than 16 MiB, which no key store is")
	ErrEmpty       = errors.New("the file is empty")
	ErrNotKeyStore = errors.New("the file is not a key store: neither JKS, nor PKCS#12, nor PEM")
	ErrTruncated   = errors.New("the key store is cut off: it ends before it should")
	ErrLength      = errors.New("the key store is damaged: a length in it points far beyond its end")
	ErrDamaged     = errors.New("the key store is damaged")
	ErrPassword    = errors.New("the password is wrong, or the file is damaged")
	ErrKeyPassword = errors.New("the password of the private key is wrong, or the key is damaged")
	ErrOnePassword = errors.New("a PKCS#12 has one password: that of the private key is empty here, or the same as the key store's")
	ErrEncoding    = errors.New("the password cannot be used with this kind of key store")
	ErrRounds      = errors.New("the key store asks for too many rounds to derive a key from its password")
	ErrUnsupported = errors.New("the key store uses something that is not supported")

	ErrNoCertificate    = errors.New("the key store has no certificate")
	ErrNoKey            = errors.New("the key store has no private key")
	ErrSeveralKeys      = errors.New("the key store has several private keys; give one that has only the connector's")
	ErrKeyMismatch      = errors.New("the private key does not belong to any certificate in the key store")
	ErrStrayCertificate = errors.New("a certificate in the key store does not belong to the chain")
	ErrLongChain        = fmt.Errorf("the key store has more than %d certificates, which is no chain", maxCertificates)
)

// Kinds of file that are recognised only to say what to do with them.
var (
	ErrJCEKS = errors.New("JCEKS key stores are not supported; convert it: " +
		"keytool -importkeystore -srckeystore OLD -srcstoretype JCEKS -destkeystore NEW.p12 -deststoretype PKCS12")
	ErrDER = errors.New("the file is a single certificate or key in DER, not a key store; convert it to PEM with openssl")
	ErrP7B = errors.New("the file is a PKCS#7 bundle, which holds no private key; make a PKCS#12 key store of it and the key with openssl")
	ErrBER = errors.New("the PKCS#12 file has indefinite lengths (BER), as old browsers wrote; " +
		"convert it: " + convertPKCS12)
)

// convertPKCS12 rewrites a file as today's OpenSSL does. Ciphers that it has
// retired need -legacy as well.
const convertPKCS12 = "openssl pkcs12 -in OLD -out NEW.pem, then openssl pkcs12 -export -in NEW.pem -out NEW.p12"

// Keys behind a password that is not tried.
var (
	errOwnPassword = fmt.Errorf("%w: in PKCS#12, a private key whose password is not the key store's; "+
		"make the file again with one password for both", ErrUnsupported)
	errSealedPEM = fmt.Errorf("%w: in PEM, a private key with a password; make a PKCS#12 key store of it and the chain "+
		"(openssl pkcs12 -export), or take the password off: openssl pkcs8 -in K -out K2", ErrUnsupported)
	errOldPEM = fmt.Errorf("%w: in PEM, a private key in OpenSSL's own encryption; make a PKCS#12 key store of it and the chain "+
		"(openssl pkcs12 -export), or take the password off: openssl pkcs8 -topk8 -nocrypt -in K -out K2", ErrUnsupported)
)

// severalKeys names the keys where they have names.
func severalKeys(aliases []string) error {
	named := make([]string, 0, len(aliases))
	for _, a := range aliases {
		if a != "" {
			named = append(named, fmt.Sprintf("%q", a))
		}
	}
	if len(named) == 0 {
		return fmt.Errorf("%w (%d)", ErrSeveralKeys, len(aliases))
	}
	return fmt.Errorf("%w (%s)", ErrSeveralKeys, strings.Join(named, ", "))
}
