package helper

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ssovault/internal/sks"
)

func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "head")
		parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 50), 0, 4).Draw(t, "parts")
		var wire bytes.Buffer
		if err := writeFrame(&wire, head, parts...); err != nil {
			t.Fatal(err)
		}
		whole := wire.Bytes()
		gotHead, gotPayload, err := readFrame(bytes.NewReader(whole))
		if err != nil || !bytes.Equal(gotHead, head) || !bytes.Equal(gotPayload, bytes.Join(parts, nil)) {
			t.Fatalf("%v: %x and %x", err, gotHead, gotPayload)
		}
		cut := rapid.IntRange(1, len(whole)-1).Draw(t, "cut")
		if _, _, err := readFrame(bytes.NewReader(whole[:cut])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	})
	if _, _, err := readFrame(bytes.NewReader(nil)); !errors.Is(err, io.EOF) {
		t.Errorf("the end between messages: %v", err)
	}
}

func TestFrameLimits(t *testing.T) {
	for name, c := range map[string]struct{ head, payload int }{
		"head": {maxHead + 1, 0}, "payload": {0, maxPayload + 1},
	} {
		if err := writeFrame(io.Discard, make([]byte, c.head), make([]byte, c.payload)); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var wire bytes.Buffer
	if err := writeFrame(&wire, make([]byte, maxHead), make([]byte, maxPayload)); err != nil {
		t.Fatal(err)
	}
	if _, payload, err := readFrame(&wire); err != nil || len(payload) != maxPayload {
		t.Errorf("the largest: %d bytes, %v", len(payload), err)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x00\x00\x02{}\x00\x00\x00\x03abc"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x00\x00\x00\x01\x00\x10\x01"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := bytes.NewReader(wire)
		head, payload, err := readFrame(r)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeFrame(&again, head, payload); err != nil {
			t.Fatal(err)
		}
		if read := len(wire) - r.Len(); !bytes.Equal(again.Bytes(), wire[:read]) {
			t.Errorf("%x was read and is written %x", wire[:read], again.Bytes())
		}
	})
}

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
	for _, pair := range [][2]message{{new(request), new(request)}, {new(response), new(response)}} {
		want, got := pair[0], pair[1]
		for range 2 { // empty, then full
			head, err := encode(want)
			if err != nil {
				t.Fatal(err)
			}
			if err := decode(head, got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			for cut := range head {
				if err := decode(head[:cut], got); !errors.Is(err, errMessage) {
					t.Errorf("%T cut at %d of %d: %v", want, cut, len(head), err)
				}
			}
			if err := decode(append(head, 0), got); !errors.Is(err, errMessage) {
				t.Errorf("%T with a byte more: %v", want, err)
			}
			filled(reflect.ValueOf(want).Elem())
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range []message{
		&request{Op: opSeal, AAD: -1}, &request{Op: opOpen, AAD: 99999, IV: 255}, &request{Op: opClose},
		&response{Error: &failure{Cause: 3, Text: "x", Code: new(uint), Refused: true}}, &response{Error: &failure{Cause: 255}},
		&response{Tokens: make([]sks.Token, 2), Infos: make([]sks.KeyInfo, 1)},
	} {
		head, err := encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		var resp response
		if decode(head, &resp) == nil {
			if err := resp.Error.unpack(); (err == nil) != (resp.Error == nil) {
				t.Errorf("%x gives %v", head, err)
			}
			if again, err := encode(&resp); err != nil || !bytes.Equal(again, head) {
				t.Errorf("%x was read and is written %x, %v", head, again, err)
			}
		}
		// Whatever is asked before the login, a server answers it.
		s := &server{}
		var req request
		if decode(head, &req) == nil && req.Op != opTokens && req.Op != opDial {
			s.keys = map[sks.KeyID]sks.Key{}
			var out response
			if _, err := s.handle(t.Context(), req, []byte("payload"), &out); err == nil {
				t.Errorf("%x was done without a login", head)
			}
		}
	})
}
