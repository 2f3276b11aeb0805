package hsm

import (
	"fmt"
	"strings"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Sheet is what one custodian keeps of a key: a component, and what it takes to
// enter it again.
type Sheet struct {
	Component  Component
	Number, Of int       // component 2 of 3
	Label      string    // of the key
	KeyKCV     KCV       // of the key, when all components are entered
	Made       time.Time // when the components were drawn
	Token      string    // the token the key was made for, or ""
	Custodian  string    // who keeps the sheet, or "": a line to write the name on
	Rehearsal  bool      // the components were only made to practise
}

// Name tells which of the components the sheet holds.
func (s Sheet) Name() string { return componentName(s.Number, s.Of) }

// componentName is how sheets, questions and errors call a component.
func componentName(number, of int) string { return fmt.Sprintf("component %d of %d", number, of) }

// FileName gives the name of a file for the sheet, with the ending "txt" or
// "svg": the label with a dash for whatever a shell or a file system could take
// amiss, and the number.
func (s Sheet) FileName(ending string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.':
			return r
		}
		return '-'
	}, s.Label)
	safe = strings.TrimLeft(safe, ".-") // neither hidden nor an option
	if safe == "" {
		safe = "key"
	}
	return fmt.Sprintf("%.100s-component-%d-of-%d.%s", safe, s.Number, s.Of, ending)
}

// row is a line of a sheet: a name and what stands beside it.
type row struct{ name, value string }

// widest is how many characters of a value stand on one line.
const widest = 48

// rows gives what stands above the blocks, and below them.
func (s Sheet) rows() (above, below []row, err error) {
	kcv, err := s.Component.KCV()
	if err != nil {
		return nil, nil, err
	}
	if err := checkCount(s.Of); err != nil {
		return nil, nil, err
	}
	if s.Number < 1 || s.Number > s.Of {
		return nil, nil, fault.New(fault.Usage, "there is no %s", s.Name())
	}
	if err := sks.CheckLabel(s.Label); err != nil {
		return nil, nil, fault.Wrap(fault.Usage, err, "the label of the key")
	}
	for what, value := range map[string]string{"the token": s.Token, "the custodian": s.Custodian} {
		if value == "" {
			continue
		}
		if err := sks.CheckLabel(value); err != nil {
			return nil, nil, fault.Wrap(fault.Usage, err, "the name of %s", what)
		}
	}
	custodian := s.Custodian
	if custodian == "" {
		custodian = strings.Repeat("_", 30)
	}
	above = append(above, wrap("key", s.Label)...)
	above = append(above, row{"type", fmt.Sprintf("%s, %d bits", s.Component.Type, s.Component.Bits())})
	if s.Token != "" {
		above = append(above, wrap("made for", s.Token)...)
	}
	above = append(above, row{"made", s.Made.UTC().Format("2006-01-02 15:04 UTC")})
	above = append(above, wrap("custodian", custodian)...)
	below = []row{{"KCV of this component", kcv.String()}, {"KCV of the whole key", s.KeyKCV.String()}}
	return above, below, nil
}

// wrap spreads a value over as many rows as it needs.
func wrap(name, value string) (rows []row) {
	for letters := []rune(value); len(letters) > 0; name = "" {
		n := min(len(letters), widest)
		rows = append(rows, row{name, string(letters[:n])})
		letters = letters[n:]
	}
	return rows
}

// title heads the sheet.
func (s Sheet) title() string { return "Key " + s.Name() }

// rehearsal stands below the title of a sheet that was made to practise.
const rehearsal = "REHEARSAL: not of a real key"

// guidance ends the sheet.
var guidance = []string{
	"Whoever has all components has the key. Keep this sheet where no other",
	"custodian can reach it, and show it to nobody. 'ssovault key enter' takes",
	"it in block by block. The two digits behind the dash check the block, and",
	"may be left out. Compare the KCV at the end.",
}

// Text gives the sheet as plain text, to be wiped. Cause Usage for a label or a
// name that does not print, or a number out of range.
func (s Sheet) Text() (secret.Value, error) {
	above, below, err := s.rows()
	if err != nil {
		return secret.Value{}, err
	}
	b := make([]byte, 0, 8<<10) // more than the longest sheet, so that it never moves
	b = append(b, s.title()+"\n"...)
	if s.Rehearsal {
		b = append(b, rehearsal+"\n"...)
	}
	b = append(b, '\n')
	line := func(r row) { b = fmt.Appendf(b, "%-22s %s\n", r.name, r.value) }
	for _, r := range above {
		line(r)
	}
	b = append(b, '\n')
	s.eachBlock(func(place int, block [blockSize]byte) {
		b = append(appendBlock(fmt.Appendf(b, "%-22s ", fmt.Sprintf("block %d", place)), place, block), '\n')
	})
	b = append(b, '\n')
	for _, r := range below {
		line(r)
	}
	b = append(b, '\n')
	for _, g := range guidance {
		b = append(b, g+"\n"...)
	}
	return secret.New(b), nil
}

// eachBlock goes through the blocks of the component.
func (s Sheet) eachBlock(do func(place int, block [blockSize]byte)) {
	value := s.Component.Value.Bytes()
	for i := 0; i < len(value); i += blockSize {
		do(i/blockSize+1, [blockSize]byte(value[i:]))
	}
}
