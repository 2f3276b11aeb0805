package hsm

import (
	"bytes"
	"fmt"
	"strconv"

	"ssovault/internal/fault"
)

// sheetTitle begins a sheet's text.
const sheetTitle = "Key component "

// IsSheet tells whether a file looks like the text of a sheet.
func IsSheet(b []byte) bool { return bytes.HasPrefix(b, []byte(sheetTitle)) }

// ParseSheet reads the component of a sheet's text, to be wiped, as b is. Its
// blocks must be there in order, each with its check, and its KCV; what else
// stands there is for people, but for the type, which must be that of the key. Cause
// Usage: it is not such a sheet, or one of a rehearsal.
func ParseSheet(t KeyType, bits int, b []byte) (Component, error) {
	if len(b) > MaxLines || !IsSheet(b) {
		return Component{}, fault.New(fault.Usage, "it is not the text of a sheet")
	}
	e, err := NewEntry(t, bits)
	if err != nil {
		return Component{}, err
	}
	var kcv *KCV
	number := 0
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		number++
		if err = sheetLine(e, &kcv, bytes.TrimSuffix(line, []byte("\r"))); err != nil {
			e.Wipe()
			return Component{}, fault.Wrap(fault.Usage, err, "line %d", number)
		}
	}
	if !e.Done() || kcv == nil {
		what := "its KCV is missing"
		if !e.Done() {
			what = fmt.Sprintf("it ends before block %d of %d", e.Next(), e.Blocks())
		}
		e.Wipe()
		return Component{}, fault.New(fault.Usage, "the sheet is not whole: %s", what)
	}
	c, err := e.Component()
	if err == nil {
		err = c.Check(*kcv)
	}
	if err != nil {
		c.Wipe()
		return Component{}, fault.Wrap(fault.Usage, err, "the KCV of this component")
	}
	return c, nil
}

// sheetLine takes in one line. An error never repeats what stands there.
func sheetLine(e *Entry, kcv **KCV, line []byte) error {
	if string(line) == rehearsal {
		return fault.New(fault.Usage, "the sheet is of a rehearsal: no key was made of it")
	}
	if value, is := bytes.CutPrefix(line, []byte("type ")); is {
		want := fmt.Sprintf("%s, %d bits", e.t, 8*len(e.value))
		if got := bytes.TrimSpace(value); string(got) != want {
			return fault.New(fault.Usage, "the sheet is of a key of another type than %s", want).With("say --type and --bits as the sheet does")
		}
	}
	if value, is := bytes.CutPrefix(line, []byte("KCV of this component ")); is {
		k, err := ParseKCV(bytes.TrimSpace(value))
		if err == nil && *kcv != nil {
			err = fault.New(fault.Usage, "a second KCV of the component")
		}
		*kcv = &k
		return err
	}
	value, is := bytes.CutPrefix(line, []byte("block "))
	if !is {
		return nil
	}
	fields := bytes.Fields(value)
	if e.full() || len(fields) != 2 || string(fields[0]) != strconv.Itoa(e.Next()) || len(fields[1]) != 2*blockSize+3 {
		return fault.New(fault.Usage, "block %d of %d should stand there, with its check, or nothing more", e.Next(), e.Blocks())
	}
	return e.Add(fields[1])
}
