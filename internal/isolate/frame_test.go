package isolate

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"
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
