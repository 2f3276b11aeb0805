package recovery

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"ssovault/internal/fault"
)

// A share as text is a few lines to read, and eight numbered lines to type:
// eight groups of four letters, and one more that checks the line.
const (
	shareTitle   = "ssovault recovery share 1"
	setWord      = "set:       "
	lineBytes    = 20
	lineLetters  = 32
	checkLetters = 4
	// ShareLines is how many lines are typed.
	ShareLines = shareSize / lineBytes
	// MaxShareFile bounds a file that holds a share.
	MaxShareFile = 4 << 10
)

// Text gives the share for a file or a screen. The caller wipes it.
func (s *Share) Text() []byte {
	var t strings.Builder
	fmt.Fprintf(&t, "%s\n", shareTitle)
	fmt.Fprintf(&t, "instance:  %s\n", s.Instance)
	fmt.Fprintf(&t, "share:     %d of %d; any %d bring the identity back, fewer tell nothing\n", s.Index, s.Shares.Count, s.Shares.Threshold)
	fmt.Fprintf(&t, "dealt:     %s\n", s.Dealt.Format(time.RFC3339))
	fmt.Fprintf(&t, setWord+"%s\n", s.Set)
	fmt.Fprintf(&t, "signer:    %s\n\n", s.Signer)
	b := s.bytes()
	defer clear(b)
	for n := 1; n <= ShareLines; n++ {
		part := b[(n-1)*lineBytes : n*lineBytes]
		fmt.Fprintf(&t, "%d  %s  %s\n", n, groups(letters.EncodeToString(part), " "), lineCheck(n, part))
	}
	return []byte(t.String())
}

// lineCheck is twenty bits over a line and its number: a slip of the finger is
// noticed at once, a forger is stopped by the signature.
func lineCheck(n int, part []byte) string {
	sum := sha256.Sum256(append([]byte("ssovault recovery share line "+strconv.Itoa(n)+"\n"), part...))
	return letters.EncodeToString(sum[:])[:checkLetters]
}

// ByteOrderMark is what some editors put before a text.
const ByteOrderMark = "\uFEFF"

// LeaveOut is what can be done about a share that is damaged.
const LeaveOut = "leave this share out if enough others are there, or correct the line"

// ParseShare reads a share from a file: nothing in it may differ from what Text
// writes, but for a byte order mark and what editors and mail do to the ends of
// lines and of the text. The eight lines alone will do. Causes Malformed and
// Tampered.
func ParseShare(text []byte) (Share, error) {
	if len(text) > MaxShareFile {
		return Share{}, fault.New(fault.Malformed, "%d bytes are too many for a share", len(text))
	}
	laid := laidOut(text)
	whole := strings.HasPrefix(laid, shareTitle[:len(shareTitle)-1])
	if !whole && !beginsWithLine(laid) {
		return Share{}, fault.New(fault.Malformed, "it is no share of ssovault").With("name the file that 'ssovault recovery init' wrote, or type its eight lines with '--share -'")
	}
	isLine := IsShareLine
	if !whole {
		isLine = func(line string) bool { _, typed := Bare(line); return typed }
	}
	var t Typed
	for line := range strings.Lines(laid) {
		if isLine(line) {
			if err := t.Add(line); err != nil {
				return Share{}, (&fault.Error{Op: "it is damaged", Cause: fault.Tampered, Err: err}).With(LeaveOut)
			}
		}
	}
	s, err := t.Share()
	if err != nil || !whole {
		return s, err
	}
	again := s.Text()
	defer clear(again)
	if string(again) != laid {
		return Share{}, fault.New(fault.Tampered, "its words are not those that belong to its letters").
			With("if only its layout was changed, give its eight lines with '--share -'")
	}
	return s, nil
}

// laidOut gives a text as Text ends its lines and itself.
func laidOut(text []byte) string {
	var b strings.Builder
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte(ByteOrderMark))) {
		b.Write(bytes.TrimRight(line, " \t\r\n"))
		b.WriteByte('\n')
	}
	return strings.Trim(b.String(), "\n") + "\n"
}

// beginsWithLine tells whether a text begins with a line that is typed, good or
// bad, and not with something else.
func beginsWithLine(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	if IsShareLine(first) {
		first = strings.TrimSpace(first)[1:]
	}
	first = normal(first)
	return len(first) > lineLetters && len(first) < lineLetters+2*checkLetters &&
		strings.Trim(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// Bare is a line less what is around it; typed tells it from the words above the
// lines of a share, and from nothing at all.
func Bare(line string) (bare string, typed bool) {
	bare = strings.TrimSpace(strings.TrimPrefix(line, ByteOrderMark))
	return bare, bare != "" && !strings.HasPrefix(bare, "ssovault") && !strings.Contains(bare, ":")
}

// IsShareLine tells a line that is to be typed from the words around it.
func IsShareLine(line string) bool {
	line = strings.TrimSpace(line)
	return len(line) > 1 && line[0] >= '1' && line[0] <= '0'+ShareLines && line[1] == ' '
}

// Typed is a share that is given line by line.
type Typed struct {
	b    [shareSize]byte
	next int // lines that are there
}

// Next is the number of the line that is wanted, from 1.
func (t *Typed) Next() int { return t.next + 1 }

// Whole tells whether all lines are there.
func (t *Typed) Whole() bool { return t.next == ShareLines }

// Add takes the next line, with or without its number, however it was spaced.
// The error names what is wrong with it, never what it holds; the line can be
// given again.
func (t *Typed) Add(line string) error {
	if t.Whole() {
		return fmt.Errorf("a share has no more than %d lines", ShareLines)
	}
	n := t.Next()
	line = strings.TrimSpace(line)
	if number, rest, ok := strings.Cut(line, " "); ok && len(number) == 1 && strings.Contains("123456789", number) {
		if number != strconv.Itoa(n) {
			return fmt.Errorf("this is line %s, line %d is wanted", number, n)
		}
		line = rest
	}
	line = normal(line)
	if len(line) != lineLetters+checkLetters {
		return fmt.Errorf("line %d: %d letters, there must be %d", n, len(line), lineLetters+checkLetters)
	}
	part, err := letters.DecodeString(line[:lineLetters])
	if err != nil {
		return fmt.Errorf("line %d: letters are A to Z and 2 to 7", n)
	}
	defer clear(part)
	if lineCheck(n, part) != line[lineLetters:] {
		for other := 1; other <= ShareLines; other++ {
			if lineCheck(other, part) == line[lineLetters:] {
				return fmt.Errorf("line %d: what stands there is line %d; lines have changed places", n, other)
			}
		}
		return fmt.Errorf("line %d: its last group does not fit the others: a letter is wrong", n)
	}
	copy(t.b[t.next*lineBytes:], part)
	t.next++
	return nil
}

// Share gives the whole share and forgets the lines. Causes Malformed and
// Tampered.
func (t *Typed) Share() (Share, error) {
	defer func() { clear(t.b[:]); t.next = 0 }()
	if !t.Whole() {
		return Share{}, fault.New(fault.Tampered, "it has %d of %d lines", t.next, ShareLines).With(LeaveOut)
	}
	return parseShare(t.b[:])
}
