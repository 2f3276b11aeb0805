package wizard

import (
	"bytes"
	"fmt"
	"io"
	"unicode"

	"golang.org/x/text/width"
)

// promptui draws the whole line again at every key, and goes up one row to do
// so: a line that is longer than the terminal is wide comes out once a key.
// So it draws into a screen, which shows of each picture only what is new.
// The picture is what promptui writes between these marks; no key gives one.
const (
	markLine   = "\x0e" // before the answer
	markCursor = "\x0f" // before the character under the cursor
)

// screen shows an answer while it is typed, behind the question.
type screen struct {
	out io.Writer
	// columns gives the terminal's width, or 0 when it has none.
	columns func() int
	start   int  // columns that the question takes
	hidden  bool // nothing of the answer is shown
	shown   []rune
	cursor  int
	// margin: the cursor stands behind the last column of its row, and goes to
	// the next row with the next character only.
	margin bool
}

// Write takes what promptui draws.
func (s *screen) Write(b []byte) (int, error) {
	if _, picture, ok := bytes.Cut(b, []byte(markLine)); ok && !s.hidden {
		picture, _, _ = bytes.Cut(picture, []byte("\n"))
		before, after, _ := bytes.Cut(picture, []byte(markCursor))
		s.show([]rune(string(before)), []rune(string(after)))
	}
	return len(b), nil
}

// Close is for promptui; the terminal stays.
func (s *screen) Close() error { return nil }

// show brings the line to before+after, with the cursor between them.
func (s *screen) show(before, after []rune) {
	line := append(append([]rune(nil), before...), after...)
	if s.cursor == len(s.shown) && len(after) == 0 && len(line) > len(s.shown) && string(line[:len(s.shown)]) == string(s.shown) {
		s.put(line[len(s.shown):])
	} else if string(line) != string(s.shown) {
		same := 0
		for same < len(line) && same < len(s.shown) && line[same] == s.shown[same] {
			same++
		}
		s.move(same)
		fmt.Fprint(s.out, "\x1b[J")
		s.put(line[same:])
	}
	s.shown = line
	s.move(len(before))
}

// put writes text at the cursor.
func (s *screen) put(text []rune) {
	if len(text) == 0 {
		return
	}
	fmt.Fprint(s.out, string(text))
	s.shown = append(s.shown[:s.cursor:s.cursor], text...)
	s.cursor += len(text)
	n := s.columns()
	s.margin = n > 0 && s.column(s.cursor)%n == 0
}

// move brings the cursor before the character at a place in the line.
func (s *screen) move(to int) {
	if to == s.cursor {
		return
	}
	n := s.columns()
	from, at := s.column(s.cursor), s.column(to)
	if n <= 0 {
		n = max(from, at) + 1
	}
	row := from / n
	if s.margin {
		row--
	}
	switch up := row - at/n; {
	case up > 0:
		fmt.Fprintf(s.out, "\x1b[%dA", up)
	case up < 0:
		fmt.Fprintf(s.out, "\x1b[%dB", -up)
	}
	fmt.Fprint(s.out, "\r")
	if at%n > 0 {
		fmt.Fprintf(s.out, "\x1b[%dC", at%n)
	}
	s.cursor, s.margin = to, false
}

// end brings the cursor below the line.
func (s *screen) end() {
	s.move(len(s.shown))
	fmt.Fprintln(s.out)
}

// column counts from the beginning of the question to a place in the line.
func (s *screen) column(to int) int { return s.start + columns(s.shown[:to]) }

// columns gives the width of a text on a terminal.
func columns(text []rune) int {
	n := 0
	for _, r := range text {
		switch kind := width.LookupRune(r).Kind(); {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case kind == width.EastAsianWide, kind == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
