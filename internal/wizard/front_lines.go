package wizard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxAnswer bounds one line of input, in bytes.
const maxAnswer = 64 << 10

// Lines is the front for a pipe: each line of the input answers one question.
// It repeats the answers, so that its output reads like a terminal's.
type Lines struct {
	in     *input
	reader *bufio.Reader
	out    io.Writer
}

// NewLines makes a front that reads in until ctx ends. Close it.
func NewLines(ctx context.Context, in *os.File, out io.Writer) (*Lines, error) {
	input, err := newInput(ctx, in)
	if err != nil {
		return nil, err
	}
	return &Lines{in: input, reader: bufio.NewReader(input), out: out}, nil
}

// Close gives back what NewLines took; the file stays open.
func (l *Lines) Close() { l.in.stop() }

// Ask shows the question and reads a line.
func (l *Lines) Ask(q Question) (string, error) {
	fmt.Fprint(l.out, q.Line())
	answer, err := l.line()
	if err != nil {
		fmt.Fprintln(l.out)
		return "", err
	}
	if q.Secret {
		fmt.Fprintln(l.out)
	} else {
		fmt.Fprintln(l.out, printable(answer))
	}
	return answer, nil
}

// line reads up to the end of a line. The last one needs none, unless it is
// empty: that is the end of the input, not Enter.
func (l *Lines) line() (string, error) {
	var line []byte
	for {
		part, err := l.reader.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxAnswer:
			return "", interrupted(fmt.Errorf("a line of input is longer than %d bytes", maxAnswer))
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0, err == nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case errors.Is(err, io.EOF):
			return "", interrupted(errEndOfInput)
		}
		return "", interrupted(err)
	}
}

var errEndOfInput = errors.New("the input ended")

// Refuse says why; the next line answers again.
func (l *Lines) Refuse(_ Question, why error) error {
	l.Say(printable(why.Error()))
	return nil
}

// Say shows a line.
func (l *Lines) Say(line string) { fmt.Fprintln(l.out, line) }
