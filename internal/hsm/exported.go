package hsm

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"

	"ssovault/internal/fault"
	"ssovault/internal/format"
	"ssovault/internal/sks"
)

// Mechanism is how a key was wrapped, named by what it computes: tokens have
// several numbers for one of them.
type Mechanism string

// The mechanisms of an exported key.
const (
	KWP     Mechanism = "aes-kwp"  // AES key wrap with padding, RFC 5649
	KW      Mechanism = "aes-kw"   // AES key wrap, RFC 3394
	DES3ECB Mechanism = "des3-ecb" // Triple-DES block by block: no integrity at all, for devices that know nothing else
)

// Limits and words of the file.
const (
	exportedMagic = "ssovault exported key "
	// ExportedVersion is the format that Encode writes, and the newest that
	// ParseExported reads.
	ExportedVersion = 1
	// MaxExported bounds the whole file, in bytes. Two labels of 255 are most of
	// what it can be.
	MaxExported  = 2048
	digestName   = "sha256: "
	base64Line   = 64 // characters of the wrapped key on a line
	noAttributes = "none"
)

// Exported is a key that left its token wrapped under another one.
type Exported struct {
	Mechanism    Mechanism
	Type         KeyType
	Bits         int
	Label        string
	Attributes   Attributes // to be shown: nothing but their letters is kept, and nothing proves them
	KCV          KCV
	WrapperLabel string
	WrapperKCV   KCV
	Wrapped      []byte
}

// size gives how long the wrapped key must be.
func (m Mechanism) size(key int) (int, error) {
	switch m {
	case KWP, KW: // all keys of ours are multiples of 8 bytes, so KWP pads none
		return key + 8, nil
	case DES3ECB:
		return key, nil
	}
	return 0, fmt.Errorf("unknown mechanism %q", string(m))
}

// KeyBits gives the bits of a key that is so many bytes long when it is wrapped.
func (m Mechanism) KeyBits(wrapped int) int {
	overhead, err := m.size(0)
	if err != nil {
		return 0
	}
	return 8 * max(wrapped-overhead, 0)
}

// checkLength tells whether what was wrapped can be such a key.
func (x Exported) checkLength() error {
	key, err := x.Type.Size(x.Bits)
	if err != nil {
		return err
	}
	want, err := x.Mechanism.size(key)
	if err == nil && len(x.Wrapped) != want {
		err = fmt.Errorf("%d bytes of a wrapped key that has %d", len(x.Wrapped), want)
	}
	return err
}

// Encode gives the file. Cause Unclassified when a field cannot be written:
// a label that does not print, or a wrapped key of another length than its
// mechanism gives.
func (x Exported) Encode() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%d\n", exportedMagic, ExportedVersion)
	line := func(name, value string) { fmt.Fprintf(&b, "%s: %s\n", name, value) }
	line("mechanism", string(x.Mechanism))
	line("key-type", string(x.Type))
	line("key-bits", strconv.Itoa(x.Bits))
	line("label", x.Label)
	attributes := x.Attributes.String()
	if attributes == "" {
		attributes = noAttributes
	}
	line("attributes", attributes)
	line("kcv", x.KCV.String())
	line("wrapper-label", x.WrapperLabel)
	line("wrapper-kcv", x.WrapperKCV.String())
	b.WriteByte('\n')
	b.Write(encodeLines(x.Wrapped))
	sum := sha256.Sum256(b.Bytes())
	fmt.Fprintf(&b, "%s%x\n", digestName, sum)
	// What is written must be what a reader accepts: parse it back.
	if _, err := ParseExported(b.Bytes()); err != nil {
		return nil, fmt.Errorf("encode the exported key: %w", err)
	}
	return b.Bytes(), nil
}

// ParseExported reads the file, strictly: what it takes is what Encode writes.
// Cause Malformed: not one of ours, from a newer version, or not canonical;
// Tampered: cut short, or its digest does not match. The digest finds damage
// only: whoever alters a file can make it fit. The KCV is for the importer to
// compare; RFC 5649 authenticates the key's bytes alone, not these words.
func ParseExported(b []byte) (Exported, error) {
	if len(b) > MaxExported {
		return Exported{}, fault.New(fault.Malformed, "%d bytes, more than an exported key may have", len(b)).With(damagedExport)
	}
	if bytes.HasPrefix(b, []byte(exportedMagic)) && bytes.Count(b, []byte("\r\n")) == bytes.Count(b, []byte("\n")) && bytes.IndexByte(b, '\n') >= 0 {
		return Exported{}, fault.New(fault.Malformed, "its lines end in CR LF: the line ends were changed on the way").
			With("nothing was imported; copy the file anew as it is (a transfer in text mode, a mail program or an editor did that), or take the CRs out: tr -d '\\r'")
	}
	if err := format.CheckVersion(b, exportedMagic, "an exported key", ExportedVersion); err != nil {
		if fault.HintFor(err) == fault.Malformed.Hint() {
			err = (&fault.Error{Cause: fault.Malformed, Err: err}).With("nothing was imported; it takes a file that 'ssovault key export' wrote")
		}
		return Exported{}, err
	}
	cut := len(b) - len(digestName) - 2*sha256.Size - 1
	if cut < 0 || !endsInDigest(b[cut:]) {
		return Exported{}, fault.New(fault.Tampered, "its last line is no digest: the file was cut short, lengthened or altered").With(damagedExport)
	}
	var stated [sha256.Size]byte
	_, _ = hex.Decode(stated[:], b[cut+len(digestName):len(b)-1])
	if sum := sha256.Sum256(b[:cut]); subtle.ConstantTimeCompare(sum[:], stated[:]) != 1 {
		return Exported{}, fault.New(fault.Tampered, "its digest does not match: the file is damaged or was altered").With(damagedExport)
	}
	x, err := parseExported(b[:cut])
	if err != nil {
		return Exported{}, &fault.Error{Op: "the exported key", Cause: fault.Malformed, Err: err, Advice: damagedExport}
	}
	return x, nil
}

const damagedExport = "nothing was imported; copy the file anew, or export the key again"

// endsInDigest tells whether a line has the one form of the last.
func endsInDigest(line []byte) bool {
	digits, ok := bytes.CutPrefix(line, []byte(digestName))
	digits, ended := bytes.CutSuffix(digits, []byte("\n"))
	return ok && ended && len(bytes.Trim(digits, "0123456789abcdef")) == 0
}

// parseExported reads what stands before the digest.
func parseExported(b []byte) (x Exported, err error) {
	end := bytes.Index(b, []byte("\n\n"))
	if end < 0 {
		return x, fmt.Errorf("the fields have no end")
	}
	end += 2
	f := format.NewFields(b[:end])
	x.Mechanism = Mechanism(f.Next("mechanism"))
	_, problem := x.Mechanism.size(0)
	f.Check("mechanism", problem)
	x.Type, problem = ParseKeyType(f.Next("key-type"))
	f.Check("key-type", problem)
	bits := f.Next("key-bits")
	if x.Bits, problem = strconv.Atoi(bits); problem != nil || strconv.Itoa(x.Bits) != bits {
		f.Check("key-bits", fmt.Errorf("%q is no number", bits))
	}
	x.Label = f.Next("label")
	f.Check("label", sks.CheckLabel(x.Label))
	attributes := f.Next("attributes")
	if attributes != noAttributes {
		x.Attributes, problem = ParseAttributes(attributes)
		if problem == nil && (x.Attributes.String() != attributes || attributes == "") {
			problem = fmt.Errorf("%q is not in the order %s, or %s", attributes, letters, noAttributes)
		}
		f.Check("attributes", problem)
	}
	x.KCV = nextKCV(f, "kcv")
	x.WrapperLabel = f.Next("wrapper-label")
	f.Check("wrapper-label", sks.CheckLabel(x.WrapperLabel))
	x.WrapperKCV = nextKCV(f, "wrapper-kcv")
	if err := f.End(); err != nil {
		return Exported{}, err
	}
	if x.Wrapped, err = decodeLines(b[end:]); err != nil {
		return Exported{}, err
	}
	if err := x.checkLength(); err != nil {
		return Exported{}, err
	}
	return x, nil
}

func nextKCV(f *format.Fields, name string) KCV {
	s := f.Next(name)
	k, problem := ParseKCV(s)
	if problem == nil && k.String() != s {
		problem = fmt.Errorf("its digits are not upper-case")
	}
	f.Check(name, problem)
	return k
}

// encodeLines gives bytes as lines of base64.
func encodeLines(b []byte) []byte {
	var lines []byte
	text := base64.StdEncoding.AppendEncode(nil, b)
	for len(text) > 0 {
		n := min(len(text), base64Line)
		lines = append(append(lines, text[:n]...), '\n')
		text = text[n:]
	}
	return lines
}

// decodeLines reads what encodeLines writes, and no other way of writing it.
func decodeLines(lines []byte) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().AppendDecode(nil, bytes.ReplaceAll(lines, []byte("\n"), nil))
	if err != nil || !bytes.Equal(encodeLines(b), lines) {
		return nil, fmt.Errorf("the wrapped key is not in lines of %d characters of base64", base64Line)
	}
	return b, nil
}
