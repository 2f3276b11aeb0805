package encp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ssovault/internal/format"
	"ssovault/internal/sks"
)

// Bound is a file beside the sealed ones whose content the settings vouch for.
// The zero Bound is none.
type Bound struct {
	Name   string            `json:"name"`
	SHA256 [sha256.Size]byte `json:"-"`
}

// Header is what head shows of a sealed file. All of it is authenticated: its
// bytes are the AAD.
type Header struct {
	File       Kind
	Instance   string // 12 digits
	Generation uint64 // 1, 2, 3 …
	SaveID     string // 32 hexadecimal digits
	Time       time.Time
	KeyLabel   string
	KeyID      sks.KeyID
	IV         sks.IVConvention
	KeyStore   Bound // shared file only
	Metadata   Bound // shared file only
	BodyLength int   // bytes
}

// Encode gives the header's bytes: the AAD under which the body is sealed.
// Cause Unclassified when a field cannot be written; that is a programming
// error or a label of control characters.
func (h Header) Encode() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%d\n", magic, Version)
	line := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, value) }
	line("file", string(h.File))
	line("instance", h.Instance)
	line("generation", strconv.FormatUint(h.Generation, 10))
	line("save-id", h.SaveID)
	line("time", h.Time.UTC().Format(timeLayout))
	line("cipher", cipherName)
	line("key-label", h.KeyLabel)
	line("key-id", h.KeyID.String())
	line("iv", h.IV.String())
	if h.File == Shared {
		line("key-store", h.KeyStore.encode())
		line("metadata", h.Metadata.encode())
	}
	line("body-length", strconv.Itoa(h.BodyLength))
	b.WriteByte('\n')
	// What is written must be what a reader accepts: parse it back.
	if _, err := parseHeader(b.Bytes()); err != nil {
		return nil, fmt.Errorf("encode the header of the %s file: %w", h.File, err)
	}
	return b.Bytes(), nil
}

// parseHeader reads a header, strictly: every field once, in order, in the one
// form that Encode writes.
func parseHeader(b []byte) (h Header, err error) {
	if len(b) > MaxHeader {
		return h, fmt.Errorf("longer than %d bytes", MaxHeader)
	}
	f := format.NewFields(b)
	h.File = Kind(f.Next("file"))
	if h.File != Instance && h.File != Shared {
		f.Check("file", fmt.Errorf("neither instance nor shared"))
	}
	h.Instance = f.Next("instance")
	f.Check("instance", checkDigits(h.Instance, 12))
	generation := f.Next("generation")
	h.Generation, _ = strconv.ParseUint(generation, 10, 64)
	if h.Generation == 0 || strconv.FormatUint(h.Generation, 10) != generation {
		f.Check("generation", fmt.Errorf("not a number from 1"))
	}
	h.SaveID = f.Next("save-id")
	f.Check("save-id", checkHex(h.SaveID, 32))
	stamp := f.Next("time")
	if f.OK() {
		var problem error
		h.Time, problem = time.Parse(timeLayout, stamp)
		if problem == nil && h.Time.Format(timeLayout) != stamp {
			problem = fmt.Errorf("not of the form %s", timeLayout)
		}
		f.Check("time", problem)
	}
	if c := f.Next("cipher"); c != cipherName {
		f.Check("cipher", fmt.Errorf("unknown cipher %q", c))
	}
	h.KeyLabel = f.Next("key-label")
	f.Check("key-label", sks.CheckLabel(h.KeyLabel))
	if id := f.Next("key-id"); f.OK() {
		var problem error
		h.KeyID, problem = sks.ParseKeyID(id)
		f.Check("key-id", problem)
	}
	if iv := f.Next("iv"); f.OK() {
		var problem error
		h.IV, problem = sks.ParseIVConvention(iv)
		f.Check("iv", problem)
	}
	if h.File == Shared {
		f.Check("key-store", h.KeyStore.parse(f.Next("key-store")))
		f.Check("metadata", h.Metadata.parse(f.Next("metadata")))
	}
	length := f.Next("body-length")
	h.BodyLength, _ = strconv.Atoi(length)
	if strconv.Itoa(h.BodyLength) != length || h.BodyLength < h.IV.Overhead() || h.BodyLength > MaxPlaintext+h.IV.Overhead() {
		f.Check("body-length", fmt.Errorf("%q is no possible length", length))
	}
	if err := f.End(); err != nil {
		return Header{}, err
	}
	return h, nil
}

// encode writes "name sha256=hex" or "none".
func (b Bound) encode() string {
	if b.Name == "" {
		return "none"
	}
	return fmt.Sprintf("%s sha256=%x", b.Name, b.SHA256)
}

func (b *Bound) parse(s string) error {
	if s == "none" {
		*b = Bound{}
		return nil
	}
	name, digest, ok := strings.Cut(s, " sha256=")
	if !ok || checkFileName(name) != nil || checkHex(digest, 2*sha256.Size) != nil {
		return fmt.Errorf("%q is not of the form NAME sha256=HEX", s)
	}
	b.Name = name
	_, err := hex.Decode(b.SHA256[:], []byte(digest))
	return err
}

// checkFileName allows the plain names that ssovault gives to bound files.
func checkFileName(s string) error {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '.') {
			return fmt.Errorf("character %q in a file name", r)
		}
	}
	if s == "" || s[0] == '.' || len(s) > 64 {
		return fmt.Errorf("%q is no file name", s)
	}
	return nil
}

func checkDigits(s string, n int) error {
	if len(s) != n || strings.Trim(s, "0123456789") != "" {
		return fmt.Errorf("%q is not %d digits", s, n)
	}
	return nil
}

func checkHex(s string, n int) error {
	if len(s) != n || strings.Trim(s, "0123456789abcdef") != "" {
		return fmt.Errorf("not %d lower-case hexadecimal digits", n)
	}
	return nil
}
