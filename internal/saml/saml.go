// Package saml reads the metadata of an identity provider (SAML 2.0 Metadata,
// OASIS saml-metadata-2.0-os): far enough to say that a file is what it should
// be, and what it says.
package saml

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"
	"unicode/utf8"
)

// MaxSize is the largest file, in bytes, that is read. A federation's aggregate
// is larger, and not what a connector is given.
const MaxSize = 16 << 20

// Namespaces of SAML metadata and of XML signatures.
const (
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
)

// What Parse can say of a file. Each is a sentence for the person who gave it.
var (
	ErrTooLarge        = errors.New("the file is larger than 16 MiB")
	ErrEmpty           = errors.New("the file is empty")
	ErrNotXML          = errors.New("the file is not XML")
	ErrHTML            = errors.New("this is an HTML page, not SAML metadata: download the metadata itself, perhaps after signing in")
	ErrEncoding        = errors.New("the file is not UTF-8: save it as UTF-8")
	ErrTruncated       = errors.New("the file is cut off: its last element does not end")
	ErrDTD             = errors.New("the file has a document type declaration (<!DOCTYPE), which SAML metadata never needs")
	ErrTooDeep         = errors.New("the file nests elements more than 100 deep")
	ErrNotMetadata     = errors.New("this is XML, but not SAML 2.0 metadata")
	ErrServiceProvider = errors.New("this is service provider metadata (SPSSODescriptor), not the identity provider's")
	ErrNoIdentity      = errors.New("the metadata has no IDPSSODescriptor: it describes no identity provider")
	ErrIncomplete      = errors.New("the identity provider's metadata is incomplete")
	ErrCertificate     = errors.New("a signing certificate in the metadata cannot be read")
)

// Metadata is what an identity provider says of itself.
type Metadata struct {
	EntityID            string
	SSOURLs             []string            // where users are sent, each once, in the file's order
	SigningCertificates []*x509.Certificate // each once; none is possible, if useless
	ValidUntil          time.Time           // the earliest that is said; zero: no end
}

// Parse reads an EntityDescriptor that has an IDPSSODescriptor, or the first
// such one in an EntitiesDescriptor. Errors wrap one of this package's. It does
// not verify a signature: who may give the file is the administrator's to know.
func Parse(b []byte) (Metadata, error) {
	if len(b) > MaxSize {
		return Metadata{}, ErrTooLarge
	}
	if isUTF16(b) {
		return Metadata{}, ErrEncoding
	}
	b = bytes.TrimPrefix(b, []byte("\uFEFF"))
	switch start := bytes.TrimLeft(b, " \t\r\n"); {
	case len(start) == 0:
		return Metadata{}, ErrEmpty
	case start[0] != '<':
		return Metadata{}, ErrNotXML
	}
	if !utf8.Valid(b) {
		return Metadata{}, ErrEncoding
	}
	r := newReader(b)
	if err := r.read(); err != nil {
		return Metadata{}, err
	}
	return r.identity()
}

// isUTF16 knows the byte order marks and, without one, the first character that
// any XML file begins with.
func isUTF16(b []byte) bool {
	for _, start := range []string{"\xff\xfe", "\xfe\xff", "<\x00", "\x00<"} {
		if bytes.HasPrefix(b, []byte(start)) {
			return true
		}
	}
	return false
}
