package hsm

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"ssovault/internal/fault"
)

var update = flag.Bool("update", false, "write golden files and frozen vectors anew")

// golden compares with a kept file, or keeps it.
func golden(t *testing.T, path string, made []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, made) {
		t.Errorf("%s is now:\n%s", path, made)
	}
}

func sheet(t testing.TB) Sheet {
	return Sheet{
		Component: component(t, DES3, known), Number: 1, Of: 2, Label: "WRAP <KEY> & CO",
		KeyKCV: KCV{0xAB, 0xCD, 0xEF}, Made: time.Date(2026, 11, 22, 4, 5, 6, 0, time.FixedZone("", 3600)),
		Token: "site A (serial 77)", Custodian: "Zoë Ström",
	}
}

func TestSheetAsText(t *testing.T) {
	s := sheet(t)
	text, err := s.Text()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/sheet.txt", text.Bytes())

	s.Custodian, s.Token, s.Rehearsal = "", "", true
	s.Label = strings.Repeat("é", 100)
	text, err = s.Text()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/sheet-rehearsal.txt", text.Bytes())
}

// What a sheet shows can be typed from it.
func TestSheetIsTyped(t *testing.T) {
	components, key, err := Generate(AES, 256, 2)
	if err != nil {
		t.Fatal(err)
	}
	kcv, err := key.KCV()
	if err != nil {
		t.Fatal(err)
	}
	var typed []Component
	for i, c := range components {
		s := Sheet{Component: c, Number: i + 1, Of: 2, Label: "k", KeyKCV: kcv}
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		e, err := NewEntry(AES, 256)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^block (\d) +(\S+)$`).FindAllStringSubmatch(string(text.Bytes()), -1) {
			if m[1] != strconv.Itoa(e.Next()) {
				t.Fatalf("block %s stands where %d is due", m[1], e.Next())
			}
			if err := e.Add([]byte(m[2])); err != nil {
				t.Fatal(err)
			}
		}
		again, err := e.Component()
		if err != nil {
			t.Fatal(err)
		}
		shown, err := ParseKCV(regexp.MustCompile(`KCV of this component +(\S+)`).FindStringSubmatch(string(text.Bytes()))[1])
		if err != nil || again.Check(shown) != nil {
			t.Errorf("the KCV of the sheet: %v, %v", shown, err)
		}
		typed = append(typed, again)
	}
	again, err := Combine(typed)
	if err != nil || !again.Value.Equal(key.Value) {
		t.Errorf("the sheets give another key: %v", err)
	}
}

// Another program's reader finds in the QR code what a pipe would give.
func TestSheetIsScanned(t *testing.T) {
	aes, _, err := Generate(AES, 256, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Component{component(t, DES3, known), aes[0], aes[1], component(t, AES, strings.Repeat("A5", 16))} {
		s := sheet(t)
		s.Component = c
		svg, err := s.SVG()
		if err != nil {
			t.Fatal(err)
		}
		scanned, err := scan(svg.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseLines(c.Type, c.Bits(), []byte(scanned))
		if err != nil || len(back) != 1 || !back[0].Value.Equal(c.Value) {
			t.Errorf("the scanner reads %q: %v", scanned, err)
		}
	}
}

// scan paints the path of the page as a printer would, eight dots a module, and
// reads what is seen.
func scan(svg []byte) (string, error) {
	const dots = 8
	path := regexp.MustCompile(`<path [^>]*d="([^"]*)"`).FindSubmatch(svg)
	if path == nil {
		return "", errors.New("no path")
	}
	page := image.NewGray(image.Rect(0, 0, 70*dots, 70*dots))
	for i := range page.Pix {
		page.Pix[i] = 255
	}
	for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllSubmatch(path[1], -1) {
		var n [4]int
		for i := range n {
			n[i], _ = strconv.Atoi(string(m[i+1]))
		}
		if n[2] != n[3] {
			return "", fmt.Errorf("a run of %d there and %d back", n[2], n[3])
		}
		for x := (n[0] + quiet) * dots; x < (n[0]+quiet+n[2])*dots; x++ {
			for y := (n[1] + quiet) * dots; y < (n[1]+quiet+1)*dots; y++ {
				page.SetGray(x, y, color.Gray{})
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(page)
	if err != nil {
		return "", err
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		return "", err
	}
	return result.GetText(), nil
}

// The page is well-formed, says what the text says, names nothing outside
// itself and runs nothing; the longest names still fit.
func TestSheetAsPage(t *testing.T) {
	long := sheet(t)
	long.Label, long.Token, long.Custodian = strings.Repeat("<", 255), strings.Repeat("&", 255), strings.Repeat("é", 127)
	long.Component, long.Rehearsal = component(t, AES, strings.Repeat("5A", 32)), true
	for _, s := range []Sheet{sheet(t), long} {
		svg, err := s.SVG()
		if err != nil {
			t.Fatal(err)
		}
		var words strings.Builder
		for d := xml.NewDecoder(bytes.NewReader(svg.Bytes())); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			switch token := token.(type) {
			case xml.CharData:
				words.Write(token)
			case xml.StartElement:
				if n := token.Name.Local; n != "svg" && n != "rect" && n != "text" && n != "path" {
					t.Errorf("an element %s", n)
				}
				for _, a := range token.Attr {
					if v, err := strconv.Atoi(a.Value); a.Name.Local == "y" && (err != nil || v > 297-margin/2) {
						t.Errorf("y=%s is off the page", a.Value)
					}
				}
			}
		}
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		flat := strings.Join(strings.Fields(words.String()), " ")
		if want := strings.Join(strings.Fields(string(text.Bytes())), " "); flat != want {
			t.Errorf("the page says\n%s\nthe text\n%s", flat, want)
		}
		if cap(svg.Bytes()) != 32<<10 || cap(text.Bytes()) != 8<<10 {
			t.Errorf("a sheet outgrew its buffer: %d, %d", cap(svg.Bytes()), cap(text.Bytes()))
		}
	}
}

func TestSheetRefuses(t *testing.T) {
	for name, change := range map[string]func(*Sheet){
		"label":     func(s *Sheet) { s.Label = "a\nb" },
		"no label":  func(s *Sheet) { s.Label = "" },
		"token":     func(s *Sheet) { s.Token = "\x1b[2J" },
		"custodian": func(s *Sheet) { s.Custodian = strings.Repeat("x", 256) },
		"number":    func(s *Sheet) { s.Number = 3 },
		"zero":      func(s *Sheet) { s.Number = 0 },
		"one":       func(s *Sheet) { s.Number, s.Of = 1, 1 },
		"empty":     func(s *Sheet) { s.Component = Component{} },
	} {
		s := sheet(t)
		change(&s)
		if _, err := s.Text(); fault.Of(err) != fault.Usage {
			t.Errorf("%s as text: %v", name, err)
		}
		if _, err := s.SVG(); fault.Of(err) != fault.Usage {
			t.Errorf("%s as a page: %v", name, err)
		}
	}
}

func TestSheetFileNames(t *testing.T) {
	for label, want := range map[string]string{
		"HSM_KEY_AES.13":         "HSM_KEY_AES.13-component-1-of-2.svg",
		"../../etc/x y":          "etc-x-y-component-1-of-2.svg",
		"-rf":                    "rf-component-1-of-2.svg",
		"鍵":                      "key-component-1-of-2.svg",
		strings.Repeat("x", 255): strings.Repeat("x", 100) + "-component-1-of-2.svg",
	} {
		if got := (Sheet{Label: label, Number: 1, Of: 2}).FileName("svg"); got != want {
			t.Errorf("%q: %s, want %s", label, got, want)
		}
	}
}
