package wizard

import (
	"context"
	"fmt"
	"os"

	"github.com/manifoldco/promptui"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"ssovault/internal/terminal"
)

// Terminal is the front for a person: promptui is the editor of each line.
// While it is open the terminal does not echo by itself, so that what is typed
// or pasted ahead, a password perhaps, shows up nowhere but behind its
// question. Ctrl-C between two questions is a signal as usual;
// Ctrl-Z never is one.
type Terminal struct {
	in   *input
	keys *keyboard
	out  *os.File
	mode *terminal.Mode
}

// NewTerminal takes a terminal over until Close; in and out are both it.
// Questions are broken off when ctx ends.
func NewTerminal(ctx context.Context, in, out *os.File) (*Terminal, error) {
	input, err := newInput(ctx, in)
	if err != nil {
		return nil, err
	}
	t := &Terminal{in: input, keys: &keyboard{in: input}, out: out}
	// What was typed ahead stays.
	if t.mode, err = terminal.Hold(in, false, keyByKey(true)); err != nil {
		input.stop()
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	return t, nil
}

// keyByKey sets a terminal to give keys one by one and without an echo, and says
// whether Ctrl-C is a signal.
func keyByKey(signals bool) func(*unix.Termios) {
	return func(t *unix.Termios) {
		t.Iflag &^= unix.ICRNL | unix.INLCR | unix.IGNCR | unix.IXON | unix.ISTRIP
		t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.IEXTEN
		if !signals {
			t.Lflag &^= unix.ISIG
		}
		t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	}
}

func (t *Terminal) setSignals(on bool) error {
	if err := t.mode.Set(false, keyByKey(on)); err != nil {
		return fmt.Errorf("set the terminal: %w", err)
	}
	return nil
}

// Close gives the terminal back as it was found.
func (t *Terminal) Close() {
	t.mode.Restore()
	t.in.stop()
}

// templates let promptui draw nothing but the answer; see screen.
var templates = promptui.PromptTemplates{Prompt: markLine, Valid: markLine, Invalid: markLine, Success: markLine}

// Ask shows the question and lets a line be edited: left, right, backspace.
func (t *Terminal) Ask(q Question) (string, error) {
	if err := t.setSignals(false); err != nil {
		return "", interrupted(err)
	}
	question := q.Line()
	fmt.Fprint(t.out, question)
	line := &typedLine{keys: t.keys}
	s := &screen{out: t.out, columns: t.columns, start: columns([]rune(question)), hidden: q.Secret}
	n := t.columns()
	s.margin = n > 0 && s.start%n == 0
	answer, own := "", templates
	prompt := promptui.Prompt{
		Label: "", Templates: &own, Stdin: line, Stdout: s,
		// It judges nothing here: it is where promptui tells what was typed.
		Validate: func(typed string) error { answer = typed; return nil },
		Pointer:  func(under []rune) []rune { return append([]rune(markCursor), under...) },
	}
	if q.Secret {
		prompt.Mask = ' '
	}
	_, err := prompt.Run()
	// Before the line ends on the screen: who sees it may press Ctrl-C.
	if signalErr := t.setSignals(true); err == nil {
		err = signalErr
	}
	s.end()
	switch {
	case line.by == keyEnter:
		return answer, nil
	case line.by == keyInterrupt:
		return "", interrupted(promptui.ErrInterrupt)
	case line.by == keyEnd:
		return "", interrupted(errEndOfInput)
	}
	if line.err != nil {
		return "", interrupted(line.err)
	}
	return "", fmt.Errorf("the prompt: %w", err)
}

func (t *Terminal) columns() int {
	n, _, err := term.GetSize(int(t.out.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// Refuse says why; the question is asked again.
func (t *Terminal) Refuse(_ Question, why error) error {
	t.Say(printable(why.Error()))
	return nil
}

// Say shows a line.
func (t *Terminal) Say(line string) { fmt.Fprintln(t.out, line) }
