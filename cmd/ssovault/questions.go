package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"ssovault/internal/fault"
	"ssovault/internal/terminal"
)

// questions asks a person at the terminal what no flag has said, wherever
// standard input and output lead.
type questions struct {
	tty  *os.File
	in   *bufio.Reader
	stop func() bool
	mode *terminal.Mode // that the terminal is held in, or nil
}

// questions opens the terminal. Cause Usage when there is none. The caller
// closes it.
func (a *app) questions(ctx context.Context) (*questions, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "ask on the terminal")
	}
	q := &questions{tty: tty, in: bufio.NewReader(tty)}
	q.stop = context.AfterFunc(ctx, q.interrupt)
	return q, nil
}

// interrupt ends the reading, and leaves the terminal open: what it shows may
// have to go.
func (q *questions) interrupt() {
	if q.tty.SetReadDeadline(time.Unix(1, 0)) != nil {
		q.tty.Close() // a terminal that knows no deadline
	}
}

// attended tells whether a person sits at standard input.
func (a *app) attended() bool { return term.IsTerminal(int(a.in.Fd())) }

// close gives the terminal back.
func (q *questions) close() {
	q.stop()
	if q.mode != nil {
		q.mode.Restore()
	}
	q.tty.Close()
}

// hold takes modes of the terminal away until close, or until it is called again;
// with none it only keeps Ctrl-Z from leaving a screen behind. Where the echo goes,
// what was typed before is dropped: it was no answer. Cause Usage, or Interrupted where Ctrl-D was among it.
func (q *questions) hold(modes uint32) (err error) {
	flush := modes&unix.ECHO != 0
	if q.mode == nil {
		q.mode, err = terminal.Hold(q.tty, flush, without(modes))
	} else {
		err = q.mode.Set(flush, without(modes))
	}
	if errors.Is(err, terminal.ErrEnd) {
		return fault.New(fault.Interrupted, "interrupted")
	}
	if err != nil {
		return fault.Wrap(fault.Usage, err, "ask on the terminal")
	}
	return nil
}

func (q *questions) say(format string, args ...any) { fmt.Fprintf(q.tty, format+"\n", args...) }

// ask reads one line; or is what an empty one means. Cause Interrupted.
func (q *questions) ask(question, or string) (string, error) {
	if or != "" {
		question += " (" + or + ")"
	}
	fmt.Fprintf(q.tty, "%s: ", question)
	line, err := q.in.ReadString('\n')
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, os.ErrClosed):
		fmt.Fprintln(q.tty)
		return "", fault.New(fault.Interrupted, "interrupted")
	case err != nil:
		return "", fault.Wrap(fault.Interrupted, err, "ask on the terminal")
	}
	line = strings.ReplaceAll(line, string(rune(terminal.Suspend)), "")
	if line = strings.TrimSpace(line); line == "" {
		line = or
	}
	return line, nil
}

// clearScreen takes away what was shown, the lines that scrolled off too.
func (q *questions) clearScreen() { fmt.Fprint(q.tty, "\033[H\033[2J\033[3J") }

// confirm asks whether to go on with something that cannot be taken back. Where
// nobody sits it takes --yes. Cause Usage or Interrupted; nothing was changed.
func (a *app) confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.attended() {
		return fault.New(fault.Usage, "%s: nobody is there to be asked", question).With("say --yes if that is meant")
	}
	q, err := a.questions(ctx)
	if err != nil {
		return err
	}
	defer q.close()
	answer, err := q.ask(question+" (y/N)", "")
	if err == nil && !strings.HasPrefix(strings.ToLower(answer), "y") {
		err = fault.New(fault.Interrupted, "not confirmed")
	}
	return err
}
