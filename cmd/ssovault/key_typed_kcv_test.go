package main

import (
	"bytes"
	"testing"
)

// screen is what a terminal shows of what was written to it.
func screen(written []byte) string {
	var line []byte
	at := 0
	for _, c := range written {
		if c == '\b' {
			at--
			continue
		}
		line, at = append(line[:at], c), at+1
	}
	return string(line[:at])
}

// What is typed where a KCV is asked for stands on the screen only while it can be
// one, however it comes.
func TestOnlyKCVsAreShown(t *testing.T) {
	for _, c := range []struct {
		name, typed, shown, line string
		most                     int // that ever stood there, a key at a time
	}{
		{"a KCV", "1D1F44", "1D1F44", "1D1F44", 6},
		{"with blanks", "1d 1f 44", "1d 1f 44", "1d 1f 44", 8},
		{"a block", "1D1F4458-90", "", "1D1F4458-90", 6},
		{"digits of a component", "1D1F44581D1F4458", "", "1D1F44581D1F4458", 6},
		{"another word", "PIN", "", "PIN", 0},
		{"corrected", "1D1G\x7fF44", "1D1F44", "1D1F44", 6},
		{"a digit too many", "1D1F448\b", "1D1F44", "1D1F44", 6},
		{"another digit", "1D1F45\x7f4", "1D1F44", "1D1F44", 6},
		{"begun anew", "1D1F4458-90\x15ABCDEF", "ABCDEF", "ABCDEF", 6},
		{"rubbed out", "1D\x7f\x7f\x7f", "", "", 2},
		{"blanks alone", "              ", "", "              ", 12},
		{"longer than is kept", "12345678901234567890", "", "1234567890123456", 6},
	} {
		for _, size := range []int{1, 3, 100} {
			var out bytes.Buffer
			l := kcvLine{out: &out, typed: make([]byte, 0, 16)}
			most := 0
			for rest := []byte(c.typed); len(rest) > 0; {
				n := min(size, len(rest))
				if end, gone := l.press(rest[:n]); end || gone {
					t.Errorf("%s: an end", c.name)
				}
				rest = rest[n:]
				most = max(most, len(screen(out.Bytes())))
			}
			if got := screen(out.Bytes()); got != c.shown || string(l.typed) != c.line || most > c.most {
				t.Errorf("%s, %d at a time: %q is shown of %q, at most %d; want %q of %q, %d", c.name, size, got, l.typed, most, c.shown, c.line, c.most)
			}
		}
	}
	l := kcvLine{out: new(bytes.Buffer), typed: make([]byte, 0, 16)}
	if end, _ := l.press([]byte("12\r34")); !end || string(l.typed) != "12" {
		t.Errorf("Enter: %v, %q", end, l.typed)
	}
	if _, gone := (&kcvLine{out: new(bytes.Buffer)}).press([]byte{4}); !gone {
		t.Error("Ctrl-D is nothing")
	}
}
