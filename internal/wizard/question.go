package wizard

import "strings"

// Question is one question of the dialog.
type Question struct {
	// Key names the answer in a file of answers; a secret's is found under
	// Key_source. "" is a question that such a file answers with Enter.
	Key string
	// Text is the literal question.
	Text string
	// Default is shown in parentheses, and Enter takes it. "" shows nothing.
	Default string
	// Secret answers are neither shown nor repeated.
	Secret bool
}

// Line is the question as every front shows it, up to where the answer begins.
func (q Question) Line() string {
	if q.Default == "" {
		return q.Text + ": "
	}
	return q.Text + " (" + q.Default + "): "
}

// A Front puts the questions to whoever answers them. All fronts show the same
// text, so that a log of an unattended run reads like the dialog.
type Front interface {
	// Ask shows the question and gives the answer as it came, "" for Enter.
	// Cause Interrupted at the end of the input and after Ctrl-C.
	Ask(q Question) (string, error)
	// Refuse says why the answer cannot be taken. It returns nil when the
	// question may be asked again, else the error that ends the dialog.
	Refuse(q Question, why error) error
	// Say shows a line.
	Say(line string)
}

// printable makes text from outside, such as a token's label, safe to show: a
// control character in it could rewrite the screen.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' {
			return '\uFFFD'
		}
		return r
	}, text)
}
