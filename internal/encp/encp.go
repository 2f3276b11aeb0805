// Package encp is the sealed property file: one readable header, one binary
// body, one digest. docs/FORMAT.md is normative; this package reads and writes
// exactly that, and knows neither keys nor devices.
package encp

import (
	"bytes"
	"crypto/sha256"

	"ssovault/internal/fault"
	"ssovault/internal/format"
)

// Kind says which of the two property files a sealed file holds.
type Kind string

// The two property files.
const (
	Instance Kind = "instance"
	Shared   Kind = "shared"
)

// Limits, checked before anything is allocated for what a file claims.
const (
	MaxPlaintext = 16 << 20 // bytes of a property file
	MaxHeader    = 4096     // bytes, the empty line included
	MaxFile      = MaxHeader + MaxPlaintext + 64 + sha256.Size
)

const (
	magic = "ssovault sealed file "
	// Version is the format that this package writes, and the newest it reads.
	Version    = 1
	cipherName = "AES-256-GCM"
	timeLayout = "2006-01-02T15:04:05Z"
)

// File is a sealed file as it was read.
type File struct {
	Header
	AAD  []byte // the header's bytes as read
	Body []byte // the AEAD's box
}

// Join puts a sealed file together from the header's bytes and the box.
func Join(aad, body []byte) []byte {
	file := make([]byte, 0, len(aad)+len(body)+sha256.Size)
	file = append(append(file, aad...), body...)
	sum := sha256.Sum256(file)
	return append(file, sum[:]...)
}

// Parse reads a sealed file. Cause Malformed: not one of ours, from a newer
// version, or not canonical; Tampered: its digest does not match.
func Parse(b []byte) (File, error) {
	if len(b) > MaxFile {
		return File{}, fault.New(fault.Malformed, "%d bytes, more than a sealed file may have", len(b))
	}
	if err := format.CheckVersion(b, magic, "a sealed file", Version); err != nil {
		return File{}, err
	}
	cut := len(b) - sha256.Size
	if cut < 0 {
		return File{}, fault.New(fault.Tampered, "cut short after %d bytes", len(b))
	}
	if sum := sha256.Sum256(b[:cut]); !bytes.Equal(sum[:], b[cut:]) {
		return File{}, fault.New(fault.Tampered, "its digest does not match: the file is damaged or was altered")
	}
	end := bytes.Index(b[:min(cut, MaxHeader)], []byte("\n\n"))
	if end < 0 {
		return File{}, fault.New(fault.Malformed, "the header has no end")
	}
	end += 2
	h, err := parseHeader(b[:end])
	if err != nil {
		return File{}, fault.Wrap(fault.Malformed, err, "the header")
	}
	if h.BodyLength != cut-end {
		return File{}, fault.New(fault.Malformed, "the header says %d bytes of body, the file has %d", h.BodyLength, cut-end)
	}
	return File{Header: h, AAD: b[:end:end], Body: b[end:cut:cut]}, nil
}
