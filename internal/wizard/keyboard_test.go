package wizard

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// lineOf reads one line of keys, as readline does.
func lineOf(k *keyboard) (*typedLine, string) {
	l := &typedLine{keys: k}
	b, _ := io.ReadAll(l)
	return l, string(b)
}

func TestEachLineEndsOnce(t *testing.T) {
	k := &keyboard{in: iotest.OneByteReader(bytes.NewReader([]byte("one\rtwo\nthree\r\nfour\r\r\n\x04")))}
	for _, want := range []string{"one", "two", "three", "four", ""} {
		if l, got := lineOf(k); got != want || l.by != keyEnter {
			t.Errorf("%q, ended by %q, want %q", got, l.by, want)
		}
	}
	if l, got := lineOf(k); got != "" || l.by != keyEnd {
		t.Errorf("%q, ended by %q", got, l.by)
	}
	if l, _ := lineOf(k); !errors.Is(l.err, io.EOF) {
		t.Error(l.err)
	}
}

// Whatever a terminal sends, readline gets only keys that promptui's cursor
// knows, and the line that is kept in mind is the line that is edited.
func FuzzKeyboard(f *testing.F) {
	f.Add([]byte("acme\r"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k := &keyboard{in: bytes.NewReader(b)}
		for {
			l, keys := lineOf(k)
			length, cursor := 0, 0
			for _, r := range keys {
				switch {
				case r == keyErase:
					length, cursor = length-1, cursor-1
				case r == keyLeft:
					cursor--
				case r == keyRight:
					cursor++
				case r >= ' ' && r != utf8.RuneError:
					length, cursor = length+1, cursor+1
				default:
					t.Fatalf("readline gets %q", r)
				}
				if cursor < 0 || cursor > length {
					t.Fatalf("cursor %d in a line of %d", cursor, length)
				}
			}
			if l.length != length || l.cursor != cursor {
				t.Fatalf("%d, %d; kept in mind %d, %d", length, cursor, l.length, l.cursor)
			}
			if l.err != nil {
				return
			}
		}
	})
}
