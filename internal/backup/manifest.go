// Package backup turns a data folder into one archive and back: a manifest
// that says what the archive holds and which key it needs, then the files, as
// tar in zstd, optionally inside age. docs/FORMAT.md is normative.
package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// Version is that of the archives which this program writes.
const Version = 1

// Limits of an archive, checked before anything is allocated or written.
const (
	maxManifest = 16 << 20 // bytes of JSON
	maxEntries  = 1 << 16
	maxName     = 1024    // bytes of a whole name
	maxElement  = 255     // bytes of one element, as Linux has it
	maxDepth    = 32      // folders in folders
	maxTotal    = 1 << 50 // bytes of all files: keeps their sum from overflowing
)

// modeBits are what is kept of a mode: no set-user-id, nothing for others to
// write.
const modeBits fs.FileMode = 0o755

// Manifest is the first file of an archive. Its JSON names are relied on by
// scripts.
type Manifest struct {
	Version    int        `json:"version"`
	Program    string     `json:"program"` // "ssovault"
	Time       time.Time  `json:"time"`
	Mode       vault.Mode `json:"mode"` // sealed or clear
	Instance   string     `json:"instance"`
	Generation uint64     `json:"generation,omitempty"` // sealed
	SaveID     string     `json:"save_id,omitempty"`    // sealed
	Key        *Key       `json:"key,omitempty"`        // sealed
	Entries    []Entry    `json:"files"`
}

// Key names the sealing key without which the sealed files cannot be opened.
type Key struct {
	Label       string    `json:"label"`
	ID          sks.KeyID `json:"id"`
	TokenLabel  string    `json:"token_label"`
	TokenSerial string    `json:"token_serial"`
}

// Entry is one file or folder of data/. Entries are sorted by name, so that a
// folder comes before what is in it.
type Entry struct {
	Name   string    `json:"name"` // relative to data/, with slashes
	Folder bool      `json:"folder,omitempty"`
	Mode   uint32    `json:"mode"` // permission bits
	Time   time.Time `json:"time"` // last change, whole seconds, UTC
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256,omitempty"` // of a file
}

// Total is the size of all files together.
func (m Manifest) Total() (n int64) {
	for _, e := range m.Entries {
		n += e.Size
	}
	return n
}

// Files is how many files there are.
func (m Manifest) Files() (n int) {
	for _, e := range m.Entries {
		if !e.Folder {
			n++
		}
	}
	return n
}

// encode gives the manifest as it stands in the archive.
func (m Manifest) encode() ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(m); err != nil {
		return nil, err
	}
	if b.Len() > maxManifest {
		return nil, fault.New(fault.Usage, "the names in data/ are too long and too many for one backup")
	}
	return b.Bytes(), nil
}

// parseManifest reads a manifest strictly.
func parseManifest(b []byte) (m Manifest, err error) {
	if err := fewEnough(b); err != nil {
		return m, err
	}
	var head struct{ Version int }
	if err := json.Unmarshal(b, &head); err != nil {
		return m, hostile("its manifest is not JSON: %v", err)
	}
	if head.Version > Version {
		return m, fault.New(fault.Malformed, "this backup was written by a newer version of ssovault").
			With("restore it with the newer ssovault that wrote it")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, hostile("its manifest: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return m, hostile("its manifest is followed by something else")
	}
	return m, m.check()
}

// fewEnough makes sure of maxEntries before an entry is allocated: an empty one
// takes fifty times the bytes that it has in JSON.
func fewEnough(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	for objects := 0; ; {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return hostile("its manifest is not JSON: %v", err)
		case token == json.Delim('{') || token == json.Delim('['):
			if objects++; objects > maxEntries+4 { // the manifest itself, its key, the list
				return hostile("it holds more than the %d files and folders that it may", maxEntries)
			}
		}
	}
}

// check makes sure that the manifest is one that ssovault writes. It is the
// same check in both directions: what could not be restored is not archived.
func (m Manifest) check() error {
	switch {
	case m.Version != Version:
		return hostile("its manifest has version %d", m.Version)
	case m.Program != "ssovault":
		return hostile("its manifest is not ssovault's")
	case len(m.Instance) != 12 || strings.Trim(m.Instance, "0123456789") != "":
		return hostile("its manifest names the instance %q", m.Instance)
	case m.Mode != vault.ModeSealed && m.Mode != vault.ModeClear:
		return hostile("its manifest has the mode %q", m.Mode)
	case (m.Mode == vault.ModeSealed) != (m.Key != nil && m.Generation > 0):
		return hostile("its manifest does not say which key it needs")
	case m.Mode == vault.ModeClear && m.SaveID != "":
		return hostile("its manifest has a save-id and no key")
	case len(m.Entries) > maxEntries:
		return fault.New(fault.Malformed, "the backup holds more than the %d files and folders that it may", maxEntries)
	}
	if m.Mode == vault.ModeSealed {
		if err := (sks.Mark{Generation: m.Generation, SaveID: m.SaveID}).Check(); err != nil {
			return hostile("its manifest: %v", err)
		}
	}
	return checkEntries(m.Entries)
}

// checkEntries checks names, order, sizes and digests.
func checkEntries(entries []Entry) error {
	folders := map[string]bool{".": true}
	var last string
	var total int64
	var largest Entry
	for i, e := range entries {
		if err := checkName(e.Name); err != nil {
			return err
		}
		switch {
		case i > 0 && e.Name == last:
			return hostile("it holds %q twice", e.Name)
		case i > 0 && e.Name < last:
			return hostile("its files are not in order: %q after %q", e.Name, last)
		case !folders[path.Dir(e.Name)]:
			return hostile("it holds %q, but not the folder that it is in", e.Name)
		case fs.FileMode(e.Mode)&^fs.ModePerm != 0:
			return hostile("%q has the mode %o", e.Name, e.Mode)
		case e.Size < 0 || e.Size > maxTotal:
			return hostile("%q would have %d bytes", e.Name, e.Size)
		case e.Size > maxTotal-total:
			if e.Size > largest.Size {
				largest = e
			}
			return hostile("its files would have more than %d bytes together, %q alone %d", maxTotal, largest.Name, largest.Size)
		case e.Folder && (e.Size != 0 || e.SHA256 != ""):
			return hostile("the folder %q has a content", e.Name)
		case !e.Time.Equal(e.Time.Truncate(time.Second)) || e.Time.Year() < 1970 || e.Time.Year() > 9999:
			return hostile("%q has the time %v", e.Name, e.Time)
		}
		if digest, err := hex.DecodeString(e.SHA256); !e.Folder && (err != nil || len(digest) != 32 || strings.ToLower(e.SHA256) != e.SHA256) {
			return hostile("%q has no SHA-256", e.Name)
		}
		if e.Folder {
			folders[e.Name] = true
		}
		if e.Size > largest.Size {
			largest = e
		}
		last = e.Name
		total += e.Size
	}
	return nil
}

// checkName makes sure that a name stays in data/, means one thing only, and
// is no name that ssovault itself gives a meaning.
func checkName(name string) error {
	switch {
	case name == "" || !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return hostile("the name %q is none (names are UTF-8)", name)
	case path.IsAbs(name):
		return hostile("the name %q is absolute", name)
	case name == ".." || strings.HasPrefix(name, "../") || strings.Contains(name, "/../") || strings.HasSuffix(name, "/.."):
		return hostile("the name %q leads out of data/", name)
	case path.Clean(name) != name || name == ".":
		return hostile("the name %q is not in its simple form", name)
	case len(name) > maxName || strings.Count(name, "/") >= maxDepth:
		return hostile("the name %q is too long or too deep", name)
	}
	for _, element := range strings.Split(name, "/") {
		if len(element) > maxElement {
			return hostile("the name %q is too long", name)
		}
	}
	top, _, _ := strings.Cut(name, "/")
	if vault.Passing(top) {
		return hostile("the name %q belongs to a save or a restore that is under way", name)
	}
	if own := vault.OwnName(top); own != "" && own != name {
		return hostile("the name %q could be taken for %s", name, own)
	}
	return nil
}

// anotherBackup is what can be done about an archive that is no good.
const anotherBackup = "do not use this backup; 'ssovault backup list' shows the others, 'ssovault backup verify FILE' checks one"

// hostile is an archive that ssovault would not have written.
func hostile(format string, args ...any) error {
	return fault.New(fault.Malformed, "the backup is refused: "+format, args...).With(anotherBackup)
}

// damaged is an archive that is not as it was written.
func damaged(err error, format string, args ...any) error {
	return &fault.Error{Op: "the backup is damaged: " + fmt.Sprintf(format, args...), Cause: fault.Tampered, Err: err, Advice: anotherBackup}
}
