package wizard

import (
	"context"
	"fmt"
	"io"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
)

// Answers are prepared answers: those of a file, or of a command line.
type Answers interface {
	// Answer gives the answer to a key, and where it stands, for people; where
	// it stands, when it is not given, is where it should be.
	Answer(key string) (value, where string, given bool)
}

// Unattended is the front for prepared answers: nobody is asked, and an answer
// that is refused ends the dialog.
type Unattended struct {
	ctx     context.Context
	answers Answers
	pins    pin.Reader
	out     io.Writer
}

// NewUnattended makes a front that shows the dialog on out. Secrets are read
// through pins from the sources that the answers name.
func NewUnattended(ctx context.Context, a Answers, pins pin.Reader, out io.Writer) *Unattended {
	return &Unattended{ctx: ctx, answers: a, pins: pins, out: out}
}

// keyOf is the key that answers a question.
func keyOf(q Question) string {
	if q.Secret && q.Key != "" {
		return q.Key + "_source"
	}
	return q.Key
}

// Given tells whether a key has an answer.
func (u *Unattended) Given(key string) bool {
	value, _, given := u.answers.Answer(key)
	return given && value != ""
}

// Source gives where the secret of a question comes from.
func (u *Unattended) Source(question string) (pin.Source, bool) {
	value, _, given := u.answers.Answer(keyOf(Question{Key: question, Secret: true}))
	source, err := pin.ParseSource(value)
	return source, given && err == nil
}

// Ask gives the prepared answer; Enter where there is none.
func (u *Unattended) Ask(q Question) (string, error) {
	key := keyOf(q)
	value, where, given := "", "", false
	if key != "" {
		value, where, given = u.answers.Answer(key)
	}
	if !q.Secret {
		fmt.Fprintln(u.out, q.Line()+printable(value))
		return value, nil
	}
	fmt.Fprintln(u.out, q.Line())
	if !given || value == "" {
		return "", nil
	}
	source, err := pin.ParseSource(value)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "%s (%s)", key, where)
	}
	v, err := u.pins.Read(u.ctx, source, q.Text)
	if err != nil {
		c := fault.Usage
		if had := fault.Of(err); had == fault.Interrupted || q.Key == "sks_password" {
			c = had
		}
		return "", &fault.Error{Op: fmt.Sprintf("%s (%s)", key, where), Cause: c, Err: err,
			Advice: "nothing was changed; put the secret where its source names it, or name another source"}
	}
	defer v.Wipe()
	return string(v.Bytes()), nil
}

// Refuse ends the dialog: it names the key, and where its answer stands.
func (u *Unattended) Refuse(q Question, why error) error {
	key := keyOf(q)
	if key == "" {
		return &fault.Error{Op: q.Text, Cause: fault.Usage, Err: why}
	}
	value, where, given := u.answers.Answer(key)
	if !given || value == "" {
		return &fault.Error{Op: fmt.Sprintf("%s is missing (%s)", key, where), Cause: fault.Usage, Err: why,
			Advice: "add it; 'ssovault config --print-answers' shows all keys"}
	}
	return &fault.Error{Op: fmt.Sprintf("%s (%s)", key, where), Cause: fault.Usage, Err: why,
		Advice: "correct the answer; 'ssovault config --check' judges it without changing anything"}
}

// Say shows a line.
func (u *Unattended) Say(line string) { fmt.Fprintln(u.out, line) }
