//go:build cgo

package admin

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/isolate"
	"ssovault/internal/isolate/isolatetest"
)

func TestMessagesComeBackWhole(t *testing.T) {
	for _, pair := range [][2]isolate.Message{{new(request), new(request)}, {new(response), new(response)}} {
		isolatetest.ComesBackWhole(t, pair[0], pair[1], func() { isolatetest.Fill(pair[0]) })
	}
	var l keyList
	isolatetest.ComesBackWhole(t, &l, new(keyList), func() {
		l.keys = make([]Key, 2)
		isolatetest.Fill(&l.keys[0])
	}, cmp.AllowUnexported(keyList{}))
}

func FuzzDecode(f *testing.F) {
	full, resp := new(request), &response{Tokens: []Token{{Problem: errors.New("x")}}}
	isolatetest.Fill(full)
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
