package recovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ssovault/internal/fault"
)

// Version is that of the recovery files which this program writes.
const Version = 1

// Names of what is in a recovery file, in their order.
const (
	manifestName  = "recovery.json"
	instanceName  = "instance.properties"
	sharedName    = "shared.properties"
	signatureName = "recovery.sig"
)

// Manifest says what a recovery file holds. Its JSON names are relied on by
// scripts.
type Manifest struct {
	Version    int       `json:"version"`
	Program    string    `json:"program"` // "ssovault"
	Instance   string    `json:"instance"`
	Generation uint64    `json:"generation"` // 0: of a save in the clear, which has none
	SaveID     string    `json:"save_id"`
	Time       time.Time `json:"time"`
	Recipient  string    `json:"recipient"`
	Signer     string    `json:"signer"`
	// Files are the two property files inside, Bound the files beside the
	// settings that they vouch for, which are not inside.
	Files []Digest `json:"files"`
	Bound []Digest `json:"bound"`
}

// Digest names a file and its SHA-256 in hexadecimal.
type Digest struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

const (
	maxManifest = 16 << 10
	maxBound    = 16
)

func (m Manifest) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(m)
	return b.Bytes(), err
}

// parseManifest reads one strictly: what parses is what encode writes.
func parseManifest(b []byte) (m Manifest, err error) {
	var head struct{ Version int }
	if err := json.Unmarshal(b, &head); err != nil {
		return m, refused("its %s is not JSON: %v", manifestName, err)
	}
	if head.Version > Version {
		return m, fault.New(fault.Malformed, "it was written by a newer version of ssovault").
			With("use the newer ssovault that wrote it")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, refused("its %s: %v", manifestName, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, refused("its %s is followed by something else", manifestName)
	}
	again, err := m.encode()
	if err == nil && !bytes.Equal(again, b) {
		err = refused("its %s is not as ssovault writes it", manifestName)
	}
	return m, err
}

func (m Manifest) check() error {
	_, signerErr := ParseSigner(m.Signer)
	_, recipientErr := ParseRecipient(m.Recipient)
	switch {
	case m.Version != Version || m.Program != "ssovault":
		return refused("its %s is not ssovault's", manifestName)
	case !isDigits(m.Instance):
		return refused("it names the instance %q", m.Instance)
	case !isHex(m.SaveID, 32):
		return refused("it names no save")
	case !m.Time.Equal(m.Time.Truncate(time.Second)) || m.Time.Year() < 1970 || m.Time.Year() > 9999:
		return refused("its time is %v", m.Time)
	case signerErr != nil:
		return refused("it names no signer")
	case recipientErr != nil:
		return refused("it names no recipient")
	case len(m.Files) != 2 || m.Files[0].Name != instanceName || m.Files[1].Name != sharedName:
		return refused("it does not hold both property files")
	case m.Bound == nil || len(m.Bound) > maxBound:
		return refused("it names %d bound files", len(m.Bound))
	}
	for _, d := range append(append([]Digest{}, m.Files...), m.Bound...) {
		if !isHex(d.SHA256, 64) || d.Name == "" || len(d.Name) > 64 || strings.ContainsAny(d.Name, "/\\\x00") {
			return refused("%q has no digest", d.Name)
		}
	}
	return nil
}

// instanceDigits is how many digits the number of an instance has.
const instanceDigits = 12

func isDigits(s string) bool {
	return len(s) == instanceDigits && strings.Trim(s, "0123456789") == ""
}

func isHex(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" }

// another is what can be done about a recovery file that is no good.
const another = "take data/recovery.age from a backup of this instance, and name it with --file"

// refused is a file that ssovault would not have written.
func refused(format string, args ...any) error {
	return fault.New(fault.Malformed, "the recovery file is refused: "+format, args...).With(another)
}

// damaged is a file that is not as it was written.
func damaged(err error, format string, args ...any) error {
	return &fault.Error{Op: "the recovery file is damaged: " + fmt.Sprintf(format, args...), Cause: fault.Tampered, Err: err, Advice: another}
}
