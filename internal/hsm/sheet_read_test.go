package hsm

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"ssovault/internal/fault"
)

// A sheet gives back the component that was written on it.
func TestSheetsAreRead(t *testing.T) {
	s := sheet(t)
	s.Label = "block 1  " + s.Label // what people name a key is no block
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{text.Bytes(), bytes.ReplaceAll(text.Bytes(), []byte("\n"), []byte("\r\n"))} {
		got, err := ParseSheet(DES3, 192, b)
		if err != nil || !got.Value.Equal(s.Component.Value) {
			t.Fatal(err)
		}
	}
}

func TestSheetsThatAreNotWhole(t *testing.T) {
	b, err := os.ReadFile("testdata/sheet.txt")
	if err != nil {
		t.Fatal(err)
	}
	for change, want := range map[[2]string]string{
		{"block 3                9B1AD067-82\n", ""}: "block 3 of 6 should stand there",
		{"block 6                D3C1C84F-01\n", ""}: "it ends before block 6 of 6",
		{"-83", "-84"}:                          "block 1 does not fit its check",
		{"-83", ""}:                             "block 1 of 6 should stand there",
		{"37C216C1-20", "4711-0815-PIN"}:        "block 2 of 6 should stand there",
		{"3FA7F9", "3FA7F8"}:                    "the KCV of what was entered is",
		{"KCV of this component  3FA7F9\n", ""}: "its KCV is missing",
		{"\nWhoever", "KCV of this component  3FA7F9\nWhoever"}: "a second KCV",
		{"des3, 192", "aes, 256"}:                               "another type than des3, 192 bits",
		{" of 2\n", " of 2\n" + rehearsal + "\n"}:               "of a rehearsal",
		{"Key", "A key"}:                                        "not the text of a sheet",
		{"may be left", "block 7 AAAAAAAA-00\nmay be left"}:     "or nothing more",
	} {
		altered := strings.Replace(string(b), change[0], change[1], 1)
		_, err := ParseSheet(DES3, 192, []byte(altered))
		if fault.Of(err) != fault.Usage || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "4711") {
			t.Errorf("%q: %v, want %q", change, err, want)
		}
	}
}

func FuzzParseSheet(f *testing.F) {
	for _, name := range []string{"testdata/sheet.txt", "testdata/sheet-rehearsal.txt"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseSheet(DES3, 192, b)
		if err != nil {
			if fault.Of(err) != fault.Usage {
				t.Fatal(err)
			}
			return
		}
		kcv, err := c.KCV()
		if err != nil || c.Bits() != 192 || !strings.Contains(strings.ToUpper(string(b)), kcv.String()) {
			t.Fatalf("%d bits, %v", c.Bits(), err)
		}
	})
}
