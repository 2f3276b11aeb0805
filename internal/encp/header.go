package encp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

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
	lines := strings.Split(string(b), "\n")
	next := 1 // the first line was checked for its version
	field := func(name string) string {
		if err != nil {
			return ""
		}
		if next >= len(lines) {
			err = fmt.Errorf("no field %q", name)
			return ""
		}
		value, ok := strings.CutPrefix(lines[next], name+": ")
		if !ok {
			err = fmt.Errorf("line %d is not the field %q", next+1, name)
		}
		next++
		return value
	}
	check := func(name string, problem error) {
		if err == nil && problem != nil {
			err = fmt.Errorf("field %q: %w", name, problem)
		}
	}

	if lines[0] != magic+strconv.Itoa(Version) {
		return h, fmt.Errorf("first line %q", lines[0])
	}
	h.File = Kind(field("file"))
	if err == nil && h.File != Instance && h.File != Shared {
		err = fmt.Errorf("field \"file\": neither instance nor shared")
	}
	h.Instance = field("instance")
	check("instance", checkDigits(h.Instance, 12))
	generation := field("generation")
	h.Generation, _ = strconv.ParseUint(generation, 10, 64)
	if err == nil && (h.Generation == 0 || strconv.FormatUint(h.Generation, 10) != generation) {
		err = fmt.Errorf("field \"generation\": not a number from 1")
	}
	h.SaveID = field("save-id")
	check("save-id", checkHex(h.SaveID, 32))
	stamp := field("time")
	if err == nil {
		var problem error
		h.Time, problem = time.Parse(timeLayout, stamp)
		if problem == nil && h.Time.Format(timeLayout) != stamp {
			problem = fmt.Errorf("not of the form %s", timeLayout)
		}
		check("time", problem)
	}
	if c := field("cipher"); err == nil && c != cipherName {
		err = fmt.Errorf("field \"cipher\": unknown cipher %q", c)
	}
	h.KeyLabel = field("key-label")
	check("key-label", sks.CheckLabel(h.KeyLabel))
	if id := field("key-id"); err == nil {
		var problem error
		h.KeyID, problem = sks.ParseKeyID(id)
		check("key-id", problem)
	}
	if iv := field("iv"); err == nil {
		var problem error
		h.IV, problem = sks.ParseIVConvention(iv)
		check("iv", problem)
	}
	if h.File == Shared {
		check("key-store", h.KeyStore.parse(field("key-store")))
		check("metadata", h.Metadata.parse(field("metadata")))
	}
	length := field("body-length")
	h.BodyLength, _ = strconv.Atoi(length)
	if err == nil && (strconv.Itoa(h.BodyLength) != length || h.BodyLength < h.IV.Overhead() || h.BodyLength > MaxPlaintext+h.IV.Overhead()) {
		err = fmt.Errorf("field \"body-length\": %q is no possible length", length)
	}
	if err == nil && (next != len(lines)-2 || lines[next] != "" || lines[next+1] != "") {
		err = fmt.Errorf("line %d: more fields than there are", next+1)
	}
	if err != nil {
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
