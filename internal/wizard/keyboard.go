package wizard

import (
	"io"
	"unicode/utf8"
)

// keyboard turns what a terminal sends into keys, and keeps what was typed or
// pasted ahead for the questions to come.
type keyboard struct {
	in      io.Reader
	pending []byte
	// wasCR: a line feed that follows is the second half of a line's end.
	wasCR bool
}

// The keys that a line of promptui knows, as the bytes that readline takes.
const (
	keyInterrupt = 0x03 // Ctrl-C
	keyEnd       = 0x04 // Ctrl-D
	keyLeft      = 0x02 // Ctrl-B
	keyRight     = 0x06 // Ctrl-F
	keyErase     = 0x7f
	keyEnter     = '\r'
)

// next gives one key. All that readline would do more with is dropped: Ctrl-R
// would search a history that holds answers, Ctrl-Z would stop the parent too.
// A Ctrl-D that was typed before the terminal gave keys one by one arrives as NUL.
func (k *keyboard) next() (rune, error) {
	for {
		r, err := k.rune()
		if err != nil {
			return 0, err
		}
		after := k.wasCR
		k.wasCR = r == '\r'
		switch {
		case r == '\n' && after:
			continue
		case r == '\n', r == '\r':
			return keyEnter, nil
		case r == 0:
			return keyEnd, nil
		case r == '\b', r == keyErase:
			return keyErase, nil
		case r == keyInterrupt, r == keyEnd, r == keyLeft, r == keyRight:
			return r, nil
		case r == 0x1b:
			if r, err = k.escape(); err != nil || r != 0 {
				return r, err
			}
		case r == '\t':
			return ' ', nil
		case r >= ' ' && r != utf8.RuneError:
			return r, nil
		}
	}
}

// escape reads the rest of a control sequence (ECMA-48: ESC [ parameters final,
// or ESC O final) and knows the arrows left and right; 0 for any other.
func (k *keyboard) escape() (rune, error) {
	r, err := k.rune()
	if err != nil || r != '[' && r != 'O' {
		return 0, err
	}
	for {
		if r, err = k.rune(); err != nil {
			return 0, err
		}
		switch {
		case r == 'D':
			return keyLeft, nil
		case r == 'C':
			return keyRight, nil
		case r >= 0x40 || r < 0x20:
			return 0, nil
		}
	}
}

// rune decodes one character; a byte that is none becomes utf8.RuneError.
func (k *keyboard) rune() (rune, error) {
	for !utf8.FullRune(k.pending) {
		chunk := make([]byte, 4096)
		n, err := k.in.Read(chunk)
		k.pending = append(k.pending, chunk[:n]...)
		if err != nil && n == 0 {
			return 0, err
		}
	}
	r, size := utf8.DecodeRune(k.pending)
	clear(k.pending[:size]) // it may be of a password
	k.pending = k.pending[size:]
	return r, nil
}

// typedLine is the keyboard for one line: its end is the end of this input.
// readline would otherwise read ahead into its own buffer and take the answers
// to later questions along.
//
// The end of the input is also how Enter and Ctrl-C reach promptui. At those
// two keys readline first wakes whoever waits for the line and then calls
// promptui's listener, so both work on the same buffers at once (promptui
// 0.9.0, readline 1.5.1); at the end of the input it does not.
type typedLine struct {
	keys   *keyboard
	length int // of what was typed, as promptui's cursor keeps it
	cursor int
	by     rune  // the key that ended it, or 0
	err    error // what ended it, when no key did
}

// Read gives one key, or io.EOF after the last.
func (l *typedLine) Read(p []byte) (int, error) {
	for l.by == 0 && l.err == nil && len(p) >= utf8.UTFMax {
		r, err := l.keys.next()
		switch {
		case err != nil:
			l.err = err
		case r == keyEnter, r == keyInterrupt, r == keyEnd && l.length == 0:
			l.by = r
		case r != keyEnd && l.move(r):
			return utf8.EncodeRune(p, r), nil
		}
	}
	return 0, io.EOF
}

// move follows promptui's cursor, and tells whether the key does anything: at
// the ends of the line readline would ring the bell.
func (l *typedLine) move(r rune) bool {
	switch r {
	case keyErase:
		if l.cursor == 0 {
			return false
		}
		l.cursor, l.length = l.cursor-1, l.length-1
	case keyLeft:
		if l.cursor == 0 {
			return false
		}
		l.cursor--
	case keyRight:
		if l.cursor == l.length {
			return false
		}
		l.cursor++
	default:
		if l.length >= maxAnswer/utf8.UTFMax {
			return false
		}
		l.cursor, l.length = l.cursor+1, l.length+1
	}
	return true
}

// Close is for readline; the keyboard stays.
func (l *typedLine) Close() error { return nil }
