package properties

// The lexer finds what java.util.Properties calls logical lines: natural lines
// (ended by LF, CR or CRLF) joined where one ends in an odd number of
// backslashes. It works on bytes: the characters with a meaning are ASCII, and
// no byte of a longer UTF-8 sequence looks like one.

type tokenKind uint8

const (
	tokenEOF      tokenKind = iota
	tokenBlank              // a line of white space, or nothing but continuations
	tokenComment            // one natural line
	tokenProperty           // a logical line
)

type token struct {
	kind       tokenKind
	start, end int    // of the raw text, line end included
	logical    string // of a property: without leading white space and continuations
	ending     ending
}

type lexer struct {
	text string
	pos  int
}

// next gives the next logical line, comment or blank line.
func (l *lexer) next() token {
	start := l.pos
	var joined []byte // the parts before the present natural line
	appended := false // the present natural line continues another
	for {
		l.skipSpace()
		if l.pos == len(l.text) {
			if len(joined) == 0 {
				if start == l.pos {
					return token{kind: tokenEOF}
				}
				return token{kind: tokenBlank, start: start, end: l.pos, ending: unended}
			}
			return token{kind: tokenProperty, start: start, end: l.pos, logical: string(joined), ending: continued}
		}
		c := l.text[l.pos]
		if len(joined) == 0 && (c == '#' || c == '!') {
			// Also after a line that held only a backslash: Java looks at what
			// it has joined so far, which is nothing.
			l.skipToLineEnd()
			t := token{kind: tokenComment, start: start, ending: l.skipLineEnd()}
			if appended {
				t.kind = tokenBlank
			}
			t.end = l.pos
			return t
		}
		if isLineEnd(c) && len(joined) == 0 {
			l.skipLineEnd()
			return token{kind: tokenBlank, start: start, end: l.pos}
		}
		part := l.pos
		odd := l.skipToLineEnd()
		body := l.text[part:l.pos]
		if odd {
			body = body[:len(body)-1]
		}
		atEnd := l.pos == len(l.text)
		// Java asks for more input after the first character of a line end: a
		// backslash, CR, LF and the end of the file is a continuation by
		// nothing, while a backslash, LF and the end ends the property here.
		lastByte := l.pos == len(l.text)-1
		ending := l.skipLineEnd()
		if !odd || atEnd || lastByte {
			if odd {
				ending = continued
			}
			return token{kind: tokenProperty, start: start, end: l.pos, logical: join(joined, body), ending: ending}
		}
		joined = append(joined, body...)
		appended = true
	}
}

// join avoids a copy where there was no continuation.
func join(joined []byte, body string) string {
	if len(joined) == 0 {
		return body
	}
	return string(append(joined, body...))
}

func (l *lexer) skipSpace() {
	for l.pos < len(l.text) && isSpace(l.text[l.pos]) {
		l.pos++
	}
}

// skipToLineEnd tells whether the line ends in an odd number of backslashes.
func (l *lexer) skipToLineEnd() (odd bool) {
	for l.pos < len(l.text) && !isLineEnd(l.text[l.pos]) {
		odd = l.text[l.pos] == '\\' && !odd
		l.pos++
	}
	return odd
}

// skipLineEnd tells whether there was a line end.
func (l *lexer) skipLineEnd() ending {
	switch {
	case l.pos == len(l.text):
		return unended
	case l.text[l.pos] == '\r' && l.pos+1 < len(l.text) && l.text[l.pos+1] == '\n':
		l.pos += 2
	default:
		l.pos++
	}
	return whole
}

// isSpace knows Java's white space of this format: no other character counts.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

func isLineEnd(c byte) bool { return c == '\n' || c == '\r' }
