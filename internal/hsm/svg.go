package hsm

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"ssovault/internal/secret"
)

// Measures of a sheet on A4, in millimetres. A letter of the font is 0.6 of its
// size wide; the longest names still leave the page a lower margin.
const (
	margin   = 20
	second   = 72 // where values begin
	leading  = 7
	plain    = 4 // sizes of the font
	large    = 6
	codeAt   = 122 // the QR code stands beside the blocks
	codeSide = 66
	quiet    = 4 // modules of white around a QR code (ISO/IEC 18004, 9.1)
)

// SVG gives the sheet as a page of A4 that every browser prints, to be wiped.
// Its QR code holds what Lines gives, without the last newline: a scanner that
// acts as a keyboard types it where a file or a pipe would be read. Causes as
// with Text.
//
// The code is drawn by a library that keeps copies of its own in memory; they
// go with the process.
func (s Sheet) SVG() (secret.Value, error) {
	above, below, err := s.rows()
	if err != nil {
		return secret.Value{}, err
	}
	b := bytes.NewBuffer(make([]byte, 0, 32<<10)) // more than the longest sheet, so that it never moves
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 210 297" font-family="monospace" font-size="4">
<rect width="210" height="297" fill="white"/>
`)
	y := margin
	text := func(x, size int, words []byte) {
		fmt.Fprintf(b, `<text x="%d" y="%d" font-size="%d">`, x, y, size)
		_ = xml.EscapeText(b, words) // a buffer takes all
		b.WriteString("</text>\n")
	}
	line := func(r row) {
		text(margin, plain, []byte(r.name))
		text(second, plain, []byte(r.value))
		y += leading
	}
	text(margin, large, []byte(s.title()))
	y += leading
	if s.Rehearsal {
		text(margin, large, []byte(rehearsal))
	}
	y += leading
	for _, r := range above {
		line(r)
	}
	top := y
	y += leading
	s.eachBlock(func(place int, block [blockSize]byte) {
		var room [blockSize*2 + 3]byte
		text(margin, plain, fmt.Appendf(nil, "block %d", place))
		text(second-margin, large, appendBlock(room[:0], place, block))
		secret.Wipe(room[:])
		y += leading + 1
	})
	if err := s.drawCode(b, codeAt, top); err != nil {
		secret.Wipe(b.Bytes())
		return secret.Value{}, err
	}
	y = max(y, top+codeSide) + leading
	for _, r := range below {
		line(r)
	}
	y += leading
	for _, g := range guidance {
		text(margin, plain, []byte(g))
		y += leading
	}
	b.WriteString("</svg>\n")
	return secret.New(b.Bytes()), nil
}

// drawCode draws the QR code of the component and its KCV, a quarter of which
// may be lost to folds and stains. One path holds a run of each row's dark
// modules after the other.
func (s Sheet) drawCode(b *bytes.Buffer, x, y int) error {
	lines, err := s.Component.Lines()
	if err != nil {
		return err
	}
	defer lines.Wipe()
	code, err := qr.Encode(string(bytes.TrimSuffix(lines.Bytes(), []byte("\n"))), qr.Q, qr.Unicode)
	if err != nil {
		return err
	}
	side := code.Bounds().Dx()
	scale := float64(codeSide) / float64(side+2*quiet)
	fmt.Fprintf(b, `<path transform="translate(%d %d) scale(%.5f) translate(%d %d)" d="`, x, y, scale, quiet, quiet)
	for row := range side {
		for start := 0; start < side; start++ {
			end := start
			for end < side && dark(code, end, row) {
				end++
			}
			if end > start {
				fmt.Fprintf(b, "M%d %dh%dv1h-%dz", start, row, end-start, end-start)
				start = end
			}
		}
	}
	b.WriteString("\"/>\n")
	return nil
}

func dark(code barcode.Barcode, x, y int) bool {
	return color.GrayModel.Convert(code.At(x, y)).(color.Gray).Y < 128
}
