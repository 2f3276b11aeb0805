package p11

import (
	"testing"

	"ssovault/internal/sks"
)

const saveID = "00112233445566778899aabbccddeeff"

func TestMarkText(t *testing.T) {
	m := sks.Mark{Generation: 12, SaveID: saveID}
	b, err := formatMark(m)
	if err != nil {
		t.Fatal(err)
	}
	if want := "generation=12\nsave-id=" + saveID + "\n"; string(b) != want {
		t.Errorf("wrote %q, want %q", b, want)
	}
	if got, err := parseMark(b); err != nil || got != m {
		t.Errorf("read %+v, %v", got, err)
	}
	for _, bad := range []sks.Mark{{}, {Generation: 1}, {SaveID: saveID}, {Generation: 1, SaveID: saveID[1:]}} {
		if b, err := formatMark(bad); err == nil {
			t.Errorf("%+v was written as %q", bad, b)
		}
	}
}

func FuzzParseMark(f *testing.F) {
	for _, s := range []string{
		"generation=1\nsave-id=" + saveID + "\n",
		"generation=18446744073709551615\nsave-id=" + saveID + "\n",
		"generation=18446744073709551616\nsave-id=" + saveID + "\n",
		"generation=01\nsave-id=" + saveID + "\n",
		"generation=+1\nsave-id=" + saveID + "\n",
		"generation=1\r\nsave-id=" + saveID + "\n",
		"generation=1\nsave-id=" + saveID,
		"", "\n", "generation=\nsave-id=\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMark(b)
		if err != nil {
			if m != (sks.Mark{}) {
				t.Errorf("refused, but read %+v", m)
			}
			return
		}
		again, err := formatMark(m)
		if err != nil || string(again) != string(b) {
			t.Errorf("%q was read and is written %q, %v", b, again, err)
		}
	})
}
