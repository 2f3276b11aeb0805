package isolate

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
)

var (
	errOne = errors.New("one")
	errTwo = errors.New("two")
	known  = []error{errOne, errTwo}
)

// note is a message.
type note struct{ text string }

func (n *note) Walk(f *Fields) { Text(f, &n.text) }

func TestFailuresComeBackWhole(t *testing.T) {
	for _, err := range []error{
		nil, errors.New("plain"), fmt.Errorf("a: %w", errTwo), errors.Join(errOne, errTwo),
		fault.New(fault.KeyMissing, "gone").With("look elsewhere"), fault.Wrap(fault.PINRefused, errOne, "log in"),
		cryptoki.Fault(fmt.Errorf("pkcs11: 0x70: CKR_MECHANISM_INVALID"), "seal"),
	} {
		head, encodeErr := Encode(pack(err, known), &note{"beside"})
		if encodeErr != nil {
			t.Fatal(encodeErr)
		}
		var f failure
		var n note
		if decodeErr := decodeAnswer(head, &f, &n); decodeErr != nil || n.text != "beside" {
			t.Fatalf("%v: %v, %q", err, decodeErr, n.text)
		}
		got := f.unpack(known)
		if (got == nil) != (err == nil) {
			t.Fatalf("%v became %v", err, got)
		}
		if err == nil {
			continue
		}
		code, has := cryptoki.Code(err)
		gotCode, gotHas := cryptoki.Code(got)
		if got.Error() != err.Error() || fault.Of(got) != fault.Of(err) || fault.HintFor(got) != fault.HintFor(err) || code != gotCode || has != gotHas {
			t.Errorf("%v (%v, %q, %#x) became %v (%v, %q, %#x)", err, fault.Of(err), fault.HintFor(err), code, got, fault.Of(got), fault.HintFor(got), gotCode)
		}
		for _, k := range known {
			if errors.Is(got, k) != errors.Is(err, k) {
				t.Errorf("%v: is %v: %v", err, k, errors.Is(got, k))
			}
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, m := range []*failure{{}, {There: true, Cause: 3, Text: "x", Code: new(uint), Is: 3}, {There: true, Alone: true, Cause: 255}} {
		head, err := Encode(m, &note{"beside"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		var failed failure
		var n note
		if decodeAnswer(head, &failed, &n) != nil {
			return
		}
		if err := failed.unpack(known); (err != nil) != failed.There {
			t.Errorf("%x gives %v", head, err)
		}
		again, err := Encode(&failed)
		if err == nil && !failed.Alone {
			again, err = Encode(&failed, &n)
		}
		if err != nil || !bytes.Equal(again, head) {
			t.Errorf("%x was read and is written %x, %v", head, again, err)
		}
	})
}
