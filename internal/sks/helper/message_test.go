package helper

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/isolate"
	"ssovault/internal/sks"
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
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			filled(v.Index(i))
		}
	case reflect.String:
		v.SetString("täxt\x00")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(200)
	case reflect.Uint, reflect.Uint64:
		v.SetUint(1 << 60)
	case reflect.Int, reflect.Int64:
		v.SetInt(-1)
	}
}

// No field is forgotten, and none is cut.
func TestMessagesComeBackWhole(t *testing.T) {
	for _, pair := range [][2]isolate.Message{{new(request), new(request)}, {new(response), new(response)}} {
		want, got := pair[0], pair[1]
		for range 2 { // empty, then full
			head, err := isolate.Encode(want)
			if err != nil {
				t.Fatal(err)
			}
			if err := isolate.Decode(head, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
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
			filled(reflect.ValueOf(want).Elem())
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []isolate.Message{
		&request{Op: opSeal, AAD: -1}, &request{Op: opOpen, AAD: 99999, IV: 255}, &request{Op: opClose},
		&response{Tokens: make([]sks.Token, 2), Infos: make([]sks.KeyInfo, 1)},
	} {
		head, err := isolate.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		var resp response
		if isolate.Decode(head, &resp) == nil {
			if again, err := isolate.Encode(&resp); err != nil || !bytes.Equal(again, head) {
				t.Errorf("%x was read and is written %x, %v", head, again, err)
			}
		}
		// Whatever is asked before the login, a server answers it.
		s := &server{}
		var req request
		if isolate.Decode(head, &req) == nil && req.Op != opTokens && req.Op != opDial {
			s.keys = map[sks.KeyID]sks.Key{}
			var out response
			if _, err := s.handle(t.Context(), req, []byte("payload"), &out); err == nil {
				t.Errorf("%x was done without a login", head)
			}
		}
	})
}
