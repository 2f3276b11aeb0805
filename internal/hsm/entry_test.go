package hsm

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// printed gives the known component's blocks as a sheet shows them.
func printed(t testing.TB) []string {
	var blocks []string
	value := component(t, DES3, known).Value.Bytes()
	for i := range len(value) / blockSize {
		blocks = append(blocks, string(appendBlock(nil, i+1, [blockSize]byte(value[i*blockSize:]))))
	}
	return blocks
}

func TestTypedInBlocks(t *testing.T) {
	blocks := printed(t)
	// 1·2³² + 7C7FD05D is 6383718493, which is 83 modulo 97, and so on: worked out elsewhere.
	if want := "7C7FD05D-83 37C216C1-20 9B1AD067-82 10850176-75 E02AC77F-40 D3C1C84F-01"; strings.Join(blocks, " ") != want {
		t.Errorf("the sheet has %s, want %s", strings.Join(blocks, " "), want)
	}
	for name, lines := range map[string][]string{
		"block by block":        blocks,
		"all at once":           {strings.Join(blocks, " ")},
		"without checks":        {known},
		"lower case":            {strings.ToLower(known)},
		"groups of four":        {known[:4] + " " + known[4:8], "\t" + known[8:20], known[20:47], known[47:]},
		"with and without":      {blocks[0], known[8:16] + "  " + blocks[2], known[24:]},
		"two and then a check":  {known[:8], known[8:16] + " " + blocks[2], known[24:]},
		"corrected after error": {blocks[0], "!" + blocks[2], blocks[1], "!" + blocks[2] + " " + blocks[2], "!" + known, "!37C2G", known[16:]},
	} {
		e, err := NewEntry(DES3, 192)
		if err != nil {
			t.Fatal(err)
		}
		if e.Blocks() != 6 || e.Next() != 1 {
			t.Fatalf("%d blocks, the next is %d", e.Blocks(), e.Next())
		}
		for i, line := range lines {
			line, wrong := strings.CutPrefix(line, "!")
			before := e.n
			err := e.Add([]byte(line))
			if wrong != (err != nil) {
				t.Fatalf("%s, line %d: %v", name, i+1, err)
			}
			if err != nil && e.n != before {
				t.Fatalf("%s, line %d: something of a refused line was taken", name, i+1)
			}
		}
		c, err := e.Component()
		if err != nil || !c.Value.Equal(component(t, DES3, known).Value) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEntryRefuses(t *testing.T) {
	blocks := printed(t)
	for _, c := range []struct{ name, line, want string }{
		{"nothing", " ", "nothing was typed"},
		{"no digit", "7C7FD05X", "digit 8 (block 1)"},
		{"not ASCII", "7C7FDé", "digit 6 (block 1)"},
		{"in the second block", "7C7FD05D 37C2.6C1", "digit 13 (block 2)"},
		{"swapped blocks", blocks[1] + " " + blocks[0], "block 1 does not fit its check"},
		{"the same twice", blocks[0] + " " + blocks[0], "block 2 does not fit its check"},
		{"wrong check", "7C7FD05D-84", "block 1 does not fit"},
		{"check of one digit", "7C7FD05D-8", "block 1 does not fit"},
		{"check of three", "7C7FD05D-831", "no blank stands behind the check of block 1"},
		{"another check of three", "7C7FD05D-931", "block 1 does not fit"},
		{"no blanks", strings.Join(blocks, ""), "no blank stands behind the check of block 1: a block is eight digits, a hyphen"},
		{"no blank later", blocks[0] + " " + blocks[1] + blocks[2], "no blank stands behind the check of block 2"},
		{"no hyphens", strings.ReplaceAll(strings.Join(blocks, " "), "-", ""), "no hyphen stands before the check of block 1"},
		{"no hyphen later", blocks[0] + " " + strings.ReplaceAll(blocks[1], "-", ""), "no hyphen stands before the check of block 2"},
		{"a blank for a hyphen", strings.ReplaceAll(strings.Join(blocks, " "), "-", " "), "no hyphen stands before the check of block 1"},
		{"a blank for a hyphen later", blocks[0] + " " + strings.ReplaceAll(blocks[1], "-", " "), "no hyphen stands before the check of block 2"},
		{"neither", strings.ReplaceAll(strings.Join(blocks, ""), "-", ""), "no hyphen stands before the check of block 1: a block is eight digits"},
		{"neither, and a slip", flip(strings.ReplaceAll(strings.Join(blocks, ""), "-", "")), "with checks a block is eight digits"},
		{"no check", "7C7FD05D-", "block 1 does not fit"},
		{"hexadecimal check", "7C7FD05D-8A", "block 1 does not fit"},
		{"two dashes", "7C7FD05D-8-3", "block 1 does not fit"},
		{"check of a half", "7C7F-83", "behind digit 4"},
		{"check of two blocks", "7C7FD05D37C216C1-20", "behind digit 16"},
		{"check off a block", "7C7F D05D37C2-10", "behind digit 12"},
		{"check alone", "-83", "behind digit 0"},
		{"too long", known + "AB", "more than the 48 digits of a component of a des3 key of 192 bits"},
	} {
		e, err := NewEntry(DES3, 192)
		if err != nil {
			t.Fatal(err)
		}
		value := e.value
		err = e.Add([]byte(c.line))
		if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
		if e.n != 0 || !secret.New(value).Equal(secret.New(make([]byte, 24))) {
			t.Errorf("%s: digits of a refused line stayed", c.name)
		}
		if _, err := e.Component(); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), "0 digits are not the 48") {
			t.Errorf("%s: a component of nothing: %v", c.name, err)
		}
	}
	if _, err := NewEntry(DES3, 256); fault.Of(err) != fault.Usage {
		t.Errorf("no such length: %v", err)
	}
}

// flip changes the first digit.
func flip(digits string) string {
	if digits[0] == '0' {
		return "1" + digits[1:]
	}
	return "0" + digits[1:]
}

// Each wrong digit, each two digits exchanged and each other place is seen.
func TestBlockCheckFindsMistakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.SliceOfN(rapid.SampledFrom([]byte("0123456789ABCDEF")), 8, 8).Draw(t, "digits")
		place := rapid.IntRange(1, 8).Draw(t, "place")
		check := func(d []byte, at int) int {
			e, err := NewEntry(AES, 256)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Add(d); err != nil {
				t.Fatal(err)
			}
			return blockCheck(at, [blockSize]byte(e.value))
		}
		right := check(digits, place)
		differs := func(what string, d []byte, at int) {
			if check(d, at) == right {
				t.Fatalf("%s: %s at %d has the check of %s at %d", what, d, at, digits, place)
			}
		}
		for i := range digits {
			for _, other := range []byte("0123456789ABCDEF") {
				if other != digits[i] {
					d := []byte(string(digits))
					d[i] = other
					differs("another digit", d, place)
				}
			}
			for j := range i {
				if digits[i] != digits[j] {
					d := []byte(string(digits))
					d[i], d[j] = d[j], d[i]
					differs("exchanged", d, place)
				}
			}
		}
		for at := 1; at <= 8; at++ {
			if at != place {
				differs("another place", digits, at)
			}
		}
	})
}

// Digits that look like a block and its check are digits where the line has all
// of a component, and are refused where it then has too many or too few.
func TestDigitsThatLookLikeACheck(t *testing.T) {
	const block = "7C7FD05D83"
	for line, whole := range map[string]bool{
		block + " " + strings.Repeat("AB", 11):    true,
		"7C7FD05D 83 " + strings.Repeat("AB", 11): true,
		block:                             false,
		"7C7FD05D 83":                     false,
		block + strings.Repeat(" AB", 14): false,
	} {
		e, err := NewEntry(AES, 128)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Add([]byte(line)); (err == nil) != whole || e.Done() != whole || !whole && !strings.Contains(err.Error(), "no hyphen") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// A component that was handed over is wiped by its holder alone.
func TestWiped(t *testing.T) {
	e, err := NewEntry(AES, 128)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Add([]byte(strings.Repeat("A5", 16))); err != nil {
		t.Fatal(err)
	}
	c, err := e.Component()
	if err != nil {
		t.Fatal(err)
	}
	e.Wipe()
	if err := e.Add([]byte("A5")); e.Done() || fault.Of(err) != fault.Usage {
		t.Errorf("an entry is used twice: %v", err)
	}
	if _, err := e.Component(); fault.Of(err) != fault.Usage {
		t.Errorf("an entry gives two components: %v", err)
	}
	if fmt.Sprintf("%X", c.Value.Bytes()) != strings.Repeat("A5", 16) {
		t.Error("the component went with the entry that gave it")
	}
	if s := fmt.Sprintf("%v %+v %#v %s", c, c, c, e.t); strings.Contains(s, "A5") || strings.Contains(s, "165") {
		t.Errorf("it is printed: %s", s)
	}
	WipeAll([]Component{c})
	if fmt.Sprintf("%X", c.Value.Bytes()) != strings.Repeat("00", 16) {
		t.Error("it was not wiped")
	}
}

// What stands behind the last whole block is dropped, and nothing of it is left.
func TestPartialBlocksAreDropped(t *testing.T) {
	for typed, want := range map[string]int{"": 0, "01234567": 0, "0": 1, "0123456": 7, "01234567 89A": 3, "0123456789ABCDEF0": 1} {
		e, err := NewEntry(AES, 128)
		if err != nil {
			t.Fatal(err)
		}
		if typed != "" {
			if err := e.Add([]byte(typed)); err != nil {
				t.Fatal(err)
			}
		}
		whole := e.n / (2 * blockSize) * blockSize
		if got := e.DropPartial(); got != want || e.n != 2*whole || !bytes.Equal(e.value[whole:], make([]byte, len(e.value)-whole)) {
			t.Errorf("%q: %d digits dropped, %d left, %x", typed, got, e.n, e.value)
		}
	}
}
