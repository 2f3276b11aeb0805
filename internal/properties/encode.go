package properties

import (
	"strings"
	"unicode/utf16"
)

// encodeLine gives "key=value" as java.util.Properties.store writes it, without
// a line end.
func encodeLine(key, value string) string {
	b := make([]byte, 0, len(key)+len(value)+1)
	b = appendKey(b, key)
	b = append(b, '=')
	return string(appendValue(b, value))
}

// appendKey escapes every space: a bare one would end the key.
func appendKey(b []byte, key string) []byte {
	for _, r := range key {
		if r == ' ' {
			b = append(b, '\\', ' ')
			continue
		}
		b = appendRune(b, r)
	}
	return b
}

// appendValue escapes the first of the leading spaces: the reader skips white
// space after the separator, but not what follows an escape.
func appendValue(b []byte, value string) []byte {
	if strings.HasPrefix(value, " ") {
		b = append(b, '\\')
	}
	for _, r := range value {
		if r == ' ' {
			b = append(b, ' ')
			continue
		}
		b = appendRune(b, r)
	}
	return b
}

func appendRune(b []byte, r rune) []byte {
	switch r {
	case '\t':
		return append(b, `\t`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\f':
		return append(b, `\f`...)
	case '\\', '=', ':', '#', '!':
		return append(b, '\\', byte(r))
	}
	if r >= 0x20 && r <= 0x7e {
		return append(b, byte(r))
	}
	if r > 0xffff { // Java's characters are UTF-16 units
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(b, high), low)
	}
	return appendUnit(b, r)
}

func appendUnit(b []byte, unit rune) []byte {
	const digits = "0123456789ABCDEF"
	return append(b, '\\', 'u',
		digits[unit>>12&15], digits[unit>>8&15], digits[unit>>4&15], digits[unit&15])
}
