package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/secret"
)

// maxShown is how much of a KCV with blanks between its digits is shown.
const maxShown = 12

// ofKCV gives how many bytes of what was typed are shown: all, as long as it can
// become a KCV; none of anything else, which may be a component's.
func ofKCV(typed []byte) int {
	digits := 0
	for _, c := range typed {
		switch {
		case c == ' ':
		case strings.IndexByte("0123456789abcdefABCDEF", c) >= 0:
			digits++
		default:
			return 0
		}
	}
	if digits > 2*len(hsm.KCV{}) || len(typed) > maxShown {
		return 0
	}
	return len(typed)
}

// kcvLine is a line that is typed, and what of it stands on the screen.
type kcvLine struct {
	out   io.Writer
	typed []byte // never more than its capacity, so that it never moves
	shown []byte
	over  bool // more was typed than is kept
}

// press takes what was typed at a time; what came in one piece is shown in one.
// end: Enter was among it. What stands behind it is dropped. gone: Ctrl-D was, on
// an empty line.
func (l *kcvLine) press(piece []byte) (end, gone bool) {
	for _, c := range piece {
		switch {
		case c == '\n', c == '\r':
			end = true
		case c == 0x04 && len(l.typed) == 0:
			gone = true
		case c == 0x08, c == 0x7F:
			l.typed = l.typed[:max(len(l.typed)-1, 0)]
		case c == 0x15: // Ctrl-U
			l.typed, l.over = l.typed[:0], false
		case c < ' ':
		case len(l.typed) == cap(l.typed):
			l.over = true
		default:
			l.typed = append(l.typed, c)
		}
		if end || gone {
			break
		}
	}
	l.show()
	return end, gone
}

// show brings the screen up to date.
func (l *kcvLine) show() {
	var now []byte
	if !l.over {
		now = l.typed[:ofKCV(l.typed)]
	}
	same := 0
	for same < min(len(now), len(l.shown)) && now[same] == l.shown[same] {
		same++
	}
	fmt.Fprint(l.out, strings.Repeat("\b \b", len(l.shown)-same)+string(now[same:]))
	l.shown = append(l.shown[:0], now...)
}

// askKCV asks for a KCV between blind questions, and shows what is typed only while it can be one:
// whoever goes on with blocks of a component shows nobody what they are. is: it is
// one. Cause Interrupted.
func (q *questions) askKCV(ctx context.Context, question string) (kcv hsm.KCV, is bool, err error) {
	if err := q.hold(unix.ECHO | unix.ICANON); err != nil {
		return kcv, false, err
	}
	defer func() { _ = q.hold(unix.ECHO) }() // else the echo stays away too
	fmt.Fprintf(q.tty, "%s: ", question)
	l := kcvLine{out: q.tty, typed: make([]byte, 0, maxTyped)}
	piece := make([]byte, maxTyped)
	defer func() {
		secret.Wipe(piece)
		secret.Wipe(l.typed[:cap(l.typed)])
	}()
	for {
		n, err := q.tty.Read(piece)
		end, gone := l.press(piece[:n])
		switch {
		case gone, ctx.Err() != nil, errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
			fmt.Fprintln(q.tty)
			return kcv, false, fault.New(fault.Interrupted, "interrupted")
		case err != nil:
			return kcv, false, fault.Wrap(fault.Interrupted, err, "ask on the terminal")
		case end:
			fmt.Fprintln(q.tty)
			digits := bytes.ReplaceAll(l.typed, []byte(" "), nil)
			defer secret.Wipe(digits)
			kcv, err := hsm.ParseKCV(digits)
			return kcv, err == nil, nil
		}
	}
}
