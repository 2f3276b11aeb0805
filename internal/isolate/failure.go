package isolate

import (
	"errors"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
)

// failure is an error on its way between the processes; without There it is
// none.
type failure struct {
	There  bool
	Alone  bool // no message follows
	Cause  fault.Cause
	Text   string
	Advice string
	Code   *uint // the library's return code
	Is     uint8 // which known errors it is, a bit each
}

// Walk implements Message.
func (f *failure) Walk(w *Fields) {
	w.Flag(&f.There)
	if !f.There {
		return
	}
	w.Flag(&f.Alone)
	Number(w, &f.Cause)
	Text(w, &f.Text)
	Text(w, &f.Advice)
	Optional(w, &f.Code, func(code *uint) { Number(w, code) })
	Number(w, &f.Is)
}

// maxText keeps the text of an error within a message's head.
const maxText = 4 << 10

// pack makes a failure of an error.
func pack(err error, known []error) *failure {
	if err == nil {
		return &failure{}
	}
	f := &failure{There: true, Cause: fault.Of(err), Text: err.Error()}
	for i, k := range known {
		if errors.Is(err, k) {
			f.Is |= 1 << i
		}
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
func (f *failure) unpack(known []error) error {
	if !f.There {
		return nil
	}
	a := answer{text: f.Text}
	for i, k := range known {
		if f.Is&(1<<i) != 0 {
			a.is = append(a.is, k)
		}
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
