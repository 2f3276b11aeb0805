//go:build cgo

package admin

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/isolate"
)

// filled sets every field to something, however deep.
func filled(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem())
	case reflect.Struct:
		for _, f := range v.Fields() {
			filled(f)
		}
	case reflect.Array:
		filled(v.Index(0))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0))
	case reflect.Interface:
		v.Set(reflect.ValueOf(fault.New(fault.DeviceLockedDown, "tampered")))
	case reflect.String:
		v.SetString("täxt\x00")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(200)
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		v.SetUint(1 << 20)
	case reflect.Int, reflect.Int64:
		v.SetInt(-1)
	}
}

// sameError compares what of an error passes.
var sameError = cmp.Comparer(func(a, b error) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Error() == b.Error() && fault.Of(a) == fault.Of(b) && fault.HintFor(a) == fault.HintFor(b)
})

// No field is forgotten, and none is cut.
func TestMessagesComeBackWhole(t *testing.T) {
	for _, pair := range [][2]isolate.Message{{new(request), new(request)}, {new(response), new(response)}, {new(keyList), new(keyList)}} {
		want, got := pair[0], pair[1]
		for range 2 { // empty, then full
			head, err := isolate.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			if err := isolate.Decode(head, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, sameError, cmp.AllowUnexported(keyList{})); diff != "" {
				t.Error(diff)
			}
			for cut := range head {
				if err := isolate.Decode(head[:cut], got); err == nil {
					t.Errorf("%T cut at %d of %d was read", want, cut, len(head))
				}
			}
			if err := isolate.Decode(append(head, 0), got); err == nil {
				t.Errorf("%T was read with a byte more", want)
			}
			if l, ok := want.(*keyList); ok {
				l.keys = make([]Key, 2)
				filled(reflect.ValueOf(&l.keys[0]).Elem())
				continue
			}
			filled(reflect.ValueOf(want).Elem())
		}
	}
}

func FuzzDecode(f *testing.F) {
	full, resp := new(request), &response{Tokens: []Token{{Problem: errors.New("x")}}}
	filled(reflect.ValueOf(full).Elem())
	for _, m := range []isolate.Message{&request{Op: opKeys, Label: "x"}, full, resp, &keyList{keys: make([]Key, 2)}} {
		head, err := isolate.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		var l keyList
		if isolate.Decode(head, &l) == nil {
			if again, err := isolate.Encode(&l); err != nil || !bytes.Equal(again, head) {
				t.Errorf("%x was read and is written %x, %v", head, again, err)
			}
		}
		// Whatever is asked before the login, a server answers it.
		var req request
		if isolate.Decode(head, &req) == nil {
			switch req.Op {
			case opTokens, opMechanisms, opInitialise, opLogin, opClose:
				return
			}
			var out response
			if _, err := new(server).handle(req, []byte("payload"), &out); err == nil {
				t.Errorf("%x was done without a login", head)
			}
		}
	})
}
