// Package format is the manner of ssovault's own text formats: a first line of
// magic and version, then fields, each once and in order, as "name: value".
// docs/FORMAT.md is normative for each of them.
package format

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"ssovault/internal/fault"
)

// longestVersion bounds the version and its newline, in bytes.
const longestVersion = 12

// CheckVersion looks at the first line alone, since a newer version may differ
// in everything after it: the magic and a version up to the newest that the
// caller reads. What is "sealed file", say. Cause Malformed.
func CheckVersion(b []byte, magic, what string, newest uint64) error {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok {
		return fault.New(fault.Malformed, "this is not %s of ssovault", what)
	}
	word, _, ok := bytes.Cut(rest[:min(len(rest), longestVersion)], []byte("\n"))
	n, err := strconv.ParseUint(string(word), 10, 32)
	switch {
	case !ok || err != nil || strconv.FormatUint(n, 10) != string(word) || n == 0:
		return fault.New(fault.Malformed, "its first line names no version")
	case n > newest:
		return fault.New(fault.Malformed, "written by a newer version of ssovault (format %d; this one reads %d)", n, newest).
			With("use the newer ssovault that wrote it")
	}
	return nil
}

// Fields reads fields one after the other. Its first error stays; what is read
// after it is "".
type Fields struct {
	lines []string
	next  int
	err   error
}

// NewFields reads the text's lines from the second on; CheckVersion reads the
// first.
func NewFields(text []byte) *Fields {
	return &Fields{lines: strings.Split(string(text), "\n"), next: 1}
}

// Next gives the value of the field that must stand next.
func (f *Fields) Next(name string) string {
	if f.err != nil {
		return ""
	}
	if f.next >= len(f.lines) {
		f.err = fmt.Errorf("no field %q", name)
		return ""
	}
	value, ok := strings.CutPrefix(f.lines[f.next], name+": ")
	if !ok {
		f.err = fmt.Errorf("line %d is not the field %q", f.next+1, name)
	}
	f.next++
	return value
}

// Check notes what is wrong with the value of a field.
func (f *Fields) Check(name string, problem error) {
	if f.err == nil && problem != nil {
		f.err = fmt.Errorf("field %q: %w", name, problem)
	}
}

// OK tells whether nothing was wrong yet.
func (f *Fields) OK() bool { return f.err == nil }

// End wants an empty line behind the last field, and nothing behind that. It
// gives the first error.
func (f *Fields) End() error {
	if f.err == nil && (f.next != len(f.lines)-2 || f.lines[f.next] != "" || f.lines[f.next+1] != "") {
		f.err = fmt.Errorf("line %d: more fields than there are", f.next+1)
	}
	return f.err
}
