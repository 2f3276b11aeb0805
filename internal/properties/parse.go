package properties

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// bom is UTF-8's byte order mark, which some editors write.
const bom = "\uFEFF"

var (
	// ErrUTF16 says that a file was saved in UTF-16, as some editors do when
	// asked for "Unicode".
	ErrUTF16 = errors.New("the file is UTF-16: save it as UTF-8 or ISO-8859-1")
	// ErrMixedEncoding says that a file announces UTF-8 and is not.
	ErrMixedEncoding = errors.New("the file begins with a UTF-8 byte order mark but is not UTF-8")
)

// SyntaxError is what a file says wrongly, and where.
type SyntaxError struct {
	Line int   // the first line of the property, counted from 1
	Err  error // ErrEscape or ErrSurrogate
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives what is wrong.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Parse reads a file as java.util.Properties.load does. A file with bytes
// outside ASCII is UTF-8 if all of it is valid UTF-8, else ISO-8859-1. Errors:
// *SyntaxError, ErrTooLarge, ErrUTF16, ErrMixedEncoding. Parse does not keep b.
func Parse(b []byte) (*Set, error) {
	if len(b) > MaxSize {
		return nil, ErrTooLarge
	}
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return nil, ErrUTF16
	}
	text := string(b)
	latin1 := !utf8.ValidString(text)
	// Java would take a byte order mark for a part of the first key, so Encode
	// does not write it again.
	if rest, ok := strings.CutPrefix(text, bom); ok {
		if latin1 {
			return nil, ErrMixedEncoding
		}
		text = rest
	}
	p := parser{lexer: lexer{text: text}, latin1: latin1, set: &Set{eol: lineEndOf(text)}}
	return p.parse()
}

// lineEndOf gives the line end that new lines take: that of the first line.
func lineEndOf(text string) string {
	if i := strings.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

type parser struct {
	lexer
	latin1 bool
	set    *Set
	text   int // where the comments and blank lines not yet pushed begin
}

func (p *parser) parse() (*Set, error) {
	for {
		tok := p.next()
		var err error
		switch tok.kind {
		case tokenEOF:
			p.flush(len(p.lexer.text))
			if p.set.size > MaxSize {
				return nil, ErrTooLarge // once written as ASCII
			}
			return p.set, nil
		case tokenBlank:
			p.set.end = tok.ending
		case tokenComment:
			p.comment(tok)
		case tokenProperty:
			err = p.property(tok)
		}
		if err != nil {
			return nil, err
		}
		if p.set.size > MaxSize || p.set.lines > maxProperties {
			return nil, ErrTooLarge
		}
	}
}

// flush pushes what was met since the last property as one segment.
func (p *parser) flush(to int) {
	p.set.pushText(p.lexer.text[p.text:to])
}

func (p *parser) comment(tok token) {
	raw := p.lexer.text[tok.start:tok.end]
	p.set.end = tok.ending
	key, ok := markOf(p.decode(raw))
	if !ok {
		return
	}
	p.flush(tok.start)
	p.text = tok.end
	if !isASCII(raw) {
		raw, p.set.end = p.set.markLine(key), whole
	}
	p.set.pushMark(raw, key)
}

func (p *parser) property(tok token) error {
	key, value := split(p.decode(tok.logical))
	key, err := unescape(key)
	if err == nil {
		value, err = unescape(value)
	}
	if err != nil {
		return &SyntaxError{Line: p.line(tok.start), Err: err}
	}
	p.flush(tok.start)
	p.text = tok.end
	raw, end := p.lexer.text[tok.start:tok.end], tok.ending
	if !isASCII(raw) {
		// Kept as it is, a UTF-8 line would be misread by Java, and a Latin-1
		// line by us once the last line that is not UTF-8 was removed.
		raw, end = encodeLine(key, value)+p.set.lineEnd(), whole
	}
	p.set.push(raw, key, value)
	p.set.end = end
	return nil
}

// decode gives the text of a line in Go's encoding.
func (p *parser) decode(s string) string {
	if !p.latin1 || isASCII(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i]) // ISO-8859-1 is the first 256 code points
	}
	return string(runes)
}

// line counts the lines up to a place in the text.
func (p *parser) line(at int) int {
	before := p.lexer.text[:at]
	ends := strings.Count(before, "\n") + strings.Count(before, "\r") - strings.Count(before, "\r\n")
	return ends + 1
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
