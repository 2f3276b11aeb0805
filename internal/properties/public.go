package properties

import (
	"fmt"
	"strings"
)

// markPrefix begins the comment that says of a key that its value may be shown.
// Java and editors take it for a comment; it goes with the file into a backup.
const markPrefix = "#ssovault public: "

// MarkPublic says that the value of key may be shown. The mark is a comment line
// before the key's own. For a key without a value it does nothing. The error is
// ErrTooLarge.
func (s *Set) MarkPublic(key string) error {
	p := s.index[key]
	if p == nil || p.last < 0 || s.IsPublic(key) {
		return nil
	}
	line := s.markLine(key)
	if s.size+len(line) > MaxSize {
		return fmt.Errorf("mark property %q public: %w", key, ErrTooLarge)
	}
	p.lead = true
	s.size += len(line)
	return nil
}

// UnmarkPublic takes back what MarkPublic said.
func (s *Set) UnmarkPublic(key string) {
	p := s.index[key]
	if p == nil || p.last < 0 {
		return
	}
	if p.lead {
		s.size -= len(s.markLine(key))
		p.lead = false
	}
	s.drop(p.marks)
	p.marks = nil
	s.compact()
}

// IsPublic tells whether key has a value and was marked public.
func (s *Set) IsPublic(key string) bool {
	p := s.index[key]
	return p != nil && p.last >= 0 && (p.lead || len(p.marks) > 0)
}

func (s *Set) markLine(key string) string {
	return markPrefix + string(appendKey(nil, key)) + s.lineEnd()
}

// markOf gives the key that a comment line marks public.
func markOf(comment string) (string, bool) {
	rest, ok := strings.CutPrefix(comment, markPrefix)
	if !ok {
		return "", false
	}
	key, err := unescape(strings.TrimRight(rest, "\r\n"))
	return key, err == nil
}
