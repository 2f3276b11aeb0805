// Package properties reads and writes Java's .properties format and knows the
// settings of an SSO connector that are kept in it.
//
// A file is kept as it came: comments, blank lines, order and every line that
// nobody changes. Keys and values come back exactly; nothing is expanded.
package properties

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxSize is the largest file, in bytes, that is read or written: the limit of
// a sealed file's body.
const MaxSize = 16 << 20

// maxProperties bounds what the index of a hostile file costs in memory: 16 MiB
// of two-byte lines would otherwise take some fifty times their size.
const maxProperties = 1 << 20

var (
	// ErrTooLarge says that a set does not fit a file.
	ErrTooLarge = errors.New("the properties take more than 16 MiB, or are more than 1048576")
	// ErrNotUTF8 says that a key or a value is no text.
	ErrNotUTF8 = errors.New("not valid UTF-8")
)

// segment is one logical line of the file with its line ends, or a run of
// comments and blank lines.
type segment struct {
	raw  string
	prop *property // nil: nothing but comments and blank lines
	mark bool      // raw is the comment that makes prop public
}

// property is a key with the value that counts, the last one in the file.
type property struct {
	key, value string
	last       int32   // index of the segment that counts; -1: only marks are there
	earlier    []int32 // segments that the last one overrides
	marks      []int32 // comments that say the key is public
	lead       bool    // Encode writes such a comment before the last segment
}

// Set is the content of one properties file. The zero Set is empty and ready.
// A Set may be read by several goroutines at once as long as none changes it.
type Set struct {
	segments []segment
	index    map[string]*property
	length   int    // keys that have a value
	lines    int    // segments that are a property's, overridden ones included
	size     int    // bytes that Encode writes
	gone     int    // segments that were removed
	eol      string // what the file ends its lines with
	end      ending // how the last segment ends
}

// Get gives the value of key, and whether there is one. Of several the last
// counts, as in Java.
func (s *Set) Get(key string) (string, bool) {
	p := s.index[key]
	if p == nil || p.last < 0 {
		return "", false
	}
	return p.value, true
}

// Len gives the number of different keys.
func (s *Set) Len() int { return s.length }

// Keys gives every key once, in the order of the lines that count.
func (s *Set) Keys() []string {
	keys := make([]string, 0, s.length)
	for i, seg := range s.segments {
		if p := seg.prop; p != nil && !seg.mark && int(p.last) == i {
			keys = append(keys, p.key)
		}
	}
	return keys
}

// Equal tells whether both sets give the same value for the same keys, whatever
// their order, comments and marks.
func (s *Set) Equal(other *Set) bool {
	if s.length != other.length {
		return false
	}
	for key, p := range s.index {
		if p.last < 0 {
			continue
		}
		if v, ok := other.Get(key); !ok || v != p.value {
			return false
		}
	}
	return true
}

// Clone gives an independent copy, comments and marks included.
func (s *Set) Clone() *Set {
	c := *s
	c.segments = slices.Clone(s.segments)
	c.index = make(map[string]*property, len(s.index))
	for key, p := range s.index {
		q := *p
		q.earlier, q.marks = slices.Clone(p.earlier), slices.Clone(p.marks)
		c.index[key] = &q
	}
	for i, seg := range c.segments {
		if seg.prop != nil {
			c.segments[i].prop = c.index[seg.prop.key]
		}
	}
	return &c
}

// Set gives key the value. A key that is there keeps its place, and if it was
// there more than once, the last one stays; a new one comes last. The error is
// ErrNotUTF8 or ErrTooLarge, and then nothing has changed.
func (s *Set) Set(key, value string) error {
	if !utf8.ValidString(key) {
		return fmt.Errorf("property key %q: %w", key, ErrNotUTF8)
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("value of property %q: %w", key, ErrNotUTF8)
	}
	p := s.index[key]
	if p != nil && p.last >= 0 && p.value == value {
		s.drop(p.earlier)
		p.earlier = nil
		s.compact()
		return nil
	}
	line := encodeLine(key, value) + s.lineEnd()
	if p == nil || p.last < 0 {
		return s.add(key, value, line)
	}
	if s.size-len(s.segments[p.last].raw)+len(line) > MaxSize {
		return fmt.Errorf("set property %q: %w", key, ErrTooLarge)
	}
	s.rewrite(p, value, line)
	s.drop(p.earlier)
	p.earlier = nil
	s.compact()
	return nil
}

// add appends a key that has no value yet. Marks that an editor left behind for
// it go: they must not make a new secret public.
func (s *Set) add(key, value, line string) error {
	closed := s.closed()
	if s.size+closed.growth+len(line) > MaxSize || s.lines >= maxProperties {
		return fmt.Errorf("add property %q: %w", key, ErrTooLarge)
	}
	s.close(closed)
	if p := s.index[key]; p != nil {
		s.drop(p.marks)
		delete(s.index, key)
	}
	s.push(line, key, value)
	s.compact()
	return nil
}

// Unset removes key wherever it stands, and the marks that make it public. It
// tells whether the key had a value.
func (s *Set) Unset(key string) bool {
	p := s.index[key]
	if p == nil || p.last < 0 {
		return false
	}
	if p.lead {
		s.size -= len(s.markLine(key))
	}
	s.drop(p.earlier)
	s.drop(p.marks)
	s.drop([]int32{p.last})
	delete(s.index, key)
	s.length--
	s.compact()
	return true
}
