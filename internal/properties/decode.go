package properties

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	// ErrEscape says that a \u is not followed by four hexadecimal digits.
	ErrEscape = errors.New(`malformed \uXXXX escape: four hexadecimal digits must follow \u`)
	// ErrSurrogate says that a text is no Unicode: it could not be written back,
	// nor shown, nor handed on in JSON.
	ErrSurrogate = errors.New(`half of a surrogate pair (\uD800 to \uDFFF) without the other half`)
)

// split finds key and value in a logical line: the key ends at the first
// unescaped '=', ':' or white space; white space and one '=' or ':' separate.
func split(line string) (key, value string) {
	end, escaped := 0, false
	for end < len(line) {
		c := line[end]
		if !escaped && (c == '=' || c == ':' || isSpace(c)) {
			break
		}
		escaped = c == '\\' && !escaped
		end++
	}
	key, value = line[:end], line[end:]
	value = trimSpace(value)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = trimSpace(value[1:])
	}
	return key, value
}

func trimSpace(s string) string { return strings.TrimLeft(s, " \t\f") }

// unescape resolves backslashes. Before any other character than u, t, r, n and
// f a backslash is only dropped, as in Java.
func unescape(s string) (string, error) {
	at := strings.IndexByte(s, '\\')
	if at < 0 {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	for at >= 0 {
		b.WriteString(s[:at])
		s = s[at+1:]
		if s == "" { // only in a mark: a logical line never ends in one
			return "", ErrEscape
		}
		if s[0] != 'u' {
			_, n := utf8.DecodeRuneInString(s)
			b.WriteString(plain(s[:n]))
			s = s[n:]
		} else {
			r, n, err := unicodeEscape(s[1:])
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			s = s[1+n:]
		}
		at = strings.IndexByte(s, '\\')
	}
	b.WriteString(s)
	return b.String(), nil
}

func plain(escaped string) string {
	switch escaped {
	case "t":
		return "\t"
	case "r":
		return "\r"
	case "n":
		return "\n"
	case "f":
		return "\f"
	}
	return escaped
}

// unicodeEscape reads what follows \u: four digits, or two units of UTF-16 that
// make one character. It gives how many bytes it took.
func unicodeEscape(s string) (rune, int, error) {
	unit, ok := unitOf(s)
	if !ok {
		return 0, 0, ErrEscape
	}
	if !utf16.IsSurrogate(unit) {
		return unit, 4, nil
	}
	rest, more := strings.CutPrefix(s[4:], `\u`)
	if !more {
		return 0, 0, ErrSurrogate
	}
	low, ok := unitOf(rest)
	if !ok {
		return 0, 0, ErrEscape
	}
	if r := utf16.DecodeRune(unit, low); r != utf8.RuneError {
		return r, 10, nil
	}
	return 0, 0, ErrSurrogate
}

// unitOf reads four hexadecimal digits.
func unitOf(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[:4]) {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
