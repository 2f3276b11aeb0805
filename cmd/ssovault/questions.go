package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"ssovault/internal/fault"
)

// questions asks a person at the terminal what no flag has said, wherever
// standard input and output lead.
type questions struct {
	tty  *os.File
	in   *bufio.Reader
	stop func() bool
}

// questions opens the terminal. Cause Usage when there is none. The caller
// closes it.
func (a *app) questions(ctx context.Context) (*questions, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "ask on the terminal")
	}
	q := &questions{tty: tty, in: bufio.NewReader(tty)}
	q.stop = context.AfterFunc(ctx, func() { tty.Close() }) // ends the reading
	return q, nil
}

// attended tells whether a person sits at standard input.
func (a *app) attended() bool { return term.IsTerminal(int(a.in.Fd())) }

func (q *questions) close() {
	q.stop()
	q.tty.Close()
}

func (q *questions) say(format string, args ...any) { fmt.Fprintf(q.tty, format+"\n", args...) }

// ask reads one line; or is what an empty one means. Cause Interrupted.
func (q *questions) ask(question, or string) (string, error) {
	if or != "" {
		question += " (" + or + ")"
	}
	fmt.Fprintf(q.tty, "%s: ", question)
	line, err := q.in.ReadString('\n')
	if err != nil {
		return "", fault.Wrap(fault.Interrupted, err, "ask on the terminal")
	}
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
