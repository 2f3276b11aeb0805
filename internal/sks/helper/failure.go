package helper

import (
	"errors"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// failure is an error on its way between the processes.
type failure struct {
	Cause          fault.Cause
	Text           string
	Advice         string
	Code           *uint // the library's return code
	Refused        bool
	CannotRemember bool
}

// maxText keeps the text of an error within a message's head.
const maxText = 4 << 10

// pack makes a failure of an error; nil of nil.
func pack(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{
		Cause:          fault.Of(err),
		Text:           err.Error(),
		Refused:        errors.Is(err, sks.ErrRefused),
		CannotRemember: errors.Is(err, sks.ErrCannotRemember),
	}
	if len(f.Text) > maxText {
		f.Text = f.Text[:maxText]
	}
	if hint := fault.HintFor(err); hint != f.Cause.Hint() {
		f.Advice = hint
	}
	if code, ok := cryptoki.Code(err); ok {
		f.Code = &code
	}
	return f
}

// unpack makes the error again: same text, cause, remedy and return code, and
// the same answers to errors.Is.
func (f *failure) unpack() error {
	if f == nil {
		return nil
	}
	a := answer{text: f.Text}
	if f.Refused {
		a.is = append(a.is, sks.ErrRefused)
	}
	if f.CannotRemember {
		a.is = append(a.is, sks.ErrCannotRemember)
	}
	var err error = &a
	if f.Code != nil {
		err = &codedAnswer{answer: a, code: *f.Code}
	}
	if f.Cause == fault.Unclassified || int(f.Cause) >= len(fault.All()) {
		return err
	}
	return &fault.Error{Cause: f.Cause, Err: err, Advice: f.Advice}
}

// answer is an error that the helper met.
type answer struct {
	text string
	is   []error
}

func (a *answer) Error() string   { return a.text }
func (a *answer) Unwrap() []error { return a.is }

// codedAnswer is an answer that goes back to a return code.
type codedAnswer struct {
	answer
	code uint
}

// ReturnCode gives the return code; see cryptoki.Coder.
func (a *codedAnswer) ReturnCode() uint { return a.code }

var _ cryptoki.Coder = (*codedAnswer)(nil)
