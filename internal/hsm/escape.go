package hsm

import (
	"fmt"
	"strings"
)

// unreserved may stand anywhere in a URI (RFC 3986, 2.3); the others are those
// that RFC 7512 (2.3) adds, in a path and in a query.
const (
	unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	inBoth     = ":[]@!$'()*+,="
	pathAlso   = "&"
	queryAlso  = "/?|"
)

// written are the characters that are not escaped: fewer than may be read, so
// that a shell and a person have less to stumble over.
const written = unreserved + ":@+,/"

// unescape decodes a value, strictly: whatever RFC 7512 wants escaped must be.
func unescape(s string, query bool) (string, error) {
	plain := unreserved + inBoth + pathAlso
	if query {
		plain = unreserved + inBoth + queryAlso
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%':
			if i+2 >= len(s) {
				return "", fmt.Errorf("byte %d: %% stands before two hexadecimal digits", i+1)
			}
			high, ok1 := hexDigit(s[i+1])
			low, ok2 := hexDigit(s[i+2])
			if !ok1 || !ok2 {
				return "", fmt.Errorf("byte %d: %% stands before two hexadecimal digits", i+1)
			}
			b = append(b, high<<4|low)
			i += 2
		case strings.IndexByte(plain, s[i]) >= 0:
			b = append(b, s[i])
		default:
			return "", fmt.Errorf("byte %d must be escaped: %% and two hexadecimal digits", i+1)
		}
	}
	return string(b), nil
}

// escape encodes a value in the one way that String writes. Of bytes that are
// no text each is escaped, as RFC 7512 advises for a CKA_ID.
func escape(s string, query, binary bool) string {
	var b strings.Builder
	for i := range len(s) {
		plain := strings.IndexByte(written, s[i]) >= 0 && (query || s[i] != '/')
		if plain && !binary {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}
