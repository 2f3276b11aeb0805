package helper

import (
	"bytes"
	"testing"

	"ssovault/internal/isolate"
	"ssovault/internal/isolate/isolatetest"
	"ssovault/internal/sks"
)

func TestMessagesComeBackWhole(t *testing.T) {
	for _, pair := range [][2]isolate.Message{{new(request), new(request)}, {new(response), new(response)}} {
		isolatetest.ComesBackWhole(t, pair[0], pair[1], func() { isolatetest.Fill(pair[0]) })
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
