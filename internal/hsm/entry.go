package hsm

import (
	"bytes"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// maxLine bounds a line of a component, in bytes: blanks between digits are
// allowed, a whole file is not.
const maxLine = 1024

// Entry takes in one component as it is typed: block by block with their
// checks, or as plain digits, in groups of any length, on one line or several.
type Entry struct {
	t     KeyType
	value []byte // its whole length from the start, so that it never moves
	n     int    // digits so far
}

// NewEntry waits for a component of a key of the type and its bits. Cause
// Usage for a length that the type does not have.
func NewEntry(t KeyType, bits int) (*Entry, error) {
	size, err := t.Size(bits)
	if err != nil {
		return nil, err
	}
	return &Entry{t: t, value: make([]byte, size)}, nil
}

// Blocks gives how many blocks the component has.
func (e *Entry) Blocks() int { return len(e.value) / blockSize }

// Next gives the block, from 1, that the next digit belongs to.
func (e *Entry) Next() int { return e.n/(2*blockSize) + 1 }

// Done tells whether all digits are there.
func (e *Entry) Done() bool { return e.full() && e.n > 0 }

// full tells whether there is no room for another digit; an Entry that is spent
// has none from the start.
func (e *Entry) full() bool { return e.n == 2*len(e.value) }

// Add takes in one line: digits with blanks between them; the eight digits of a
// block may be followed by a dash and its check. Cause Usage names the place of
// what is wrong, never the character, since a PIN may have been typed here by
// mistake; nothing of the line is taken then, and it may be typed again.
func (e *Entry) Add(line []byte) error {
	before := e.n
	err := e.add(line)
	if err != nil {
		for ; e.n > before; e.n-- {
			e.set(e.n-1, 0)
		}
	}
	return err
}

func (e *Entry) add(line []byte) error {
	if len(line) > maxLine {
		return fault.New(fault.Usage, "a line of %d bytes is no component", len(line))
	}
	before, alone := e.n, false // alone: the group before is a block without a check
	var unmarked error          // what may be a check, or digits if all comes out even
	for group := range bytes.FieldsSeq(line) {
		digits, check, checked := bytes.Cut(group, []byte("-"))
		start := e.n
		block := e.Next()
		if alone {
			block-- // that stands before what may be its check
		}
		if unmarked == nil && (e.together(digits) || alone && len(group) == 2 && e.fits(block, group)) {
			unmarked = fault.New(fault.Usage, "no hyphen stands before the check of block %d: %s", block, blockForm)
		}
		for _, c := range digits {
			v, ok := hexDigit(c)
			if !ok {
				return fault.New(fault.Usage, "digit %d (block %d) is not a hexadecimal digit", e.n+1, e.Next())
			}
			if e.full() && unmarked != nil {
				return unmarked
			}
			if e.full() {
				return fault.New(fault.Usage, "there are more than the %d digits of a component of a %s key of %d bits; with checks %s", e.n, e.t, 8*len(e.value), blockForm)
			}
			e.set(e.n, v)
			e.n++
		}
		alone = !checked && start%(2*blockSize) == 0 && len(digits) == 2*blockSize
		if !checked {
			continue
		}
		if unmarked != nil {
			return unmarked
		}
		if start%(2*blockSize) != 0 || len(digits) != 2*blockSize {
			return fault.New(fault.Usage, "a check stands behind the eight digits of a block, which are typed together; one stands behind digit %d", e.n)
		}
		place := start/(2*blockSize) + 1
		if len(check) > 2 && e.fits(place, check[:2]) {
			return fault.New(fault.Usage, "no blank stands behind the check of block %d: %s", place, blockForm)
		}
		if !e.fits(place, check) {
			return fault.New(fault.Usage, "block %d does not fit its check: a digit is wrong, or it is another block", place)
		}
	}
	if e.n == before {
		return fault.New(fault.Usage, "nothing was typed")
	}
	if !e.full() {
		return unmarked
	}
	return nil
}

// blockForm says how a block and its check are typed.
const blockForm = "a block is eight digits, a hyphen, then its two check digits, and a blank before the next block"

// together tells whether the digits are blocks with their checks, without hyphens.
func (e *Entry) together(digits []byte) bool {
	const size = 2*blockSize + 2
	if e.n%(2*blockSize) != 0 || len(digits) == 0 || len(digits)%size != 0 {
		return false
	}
	var block [blockSize]byte
	defer secret.Wipe(block[:])
	for i := range len(digits) / size {
		one := digits[i*size : (i+1)*size]
		for k := range block {
			high, ok := hexDigit(one[2*k])
			low, also := hexDigit(one[2*k+1])
			if !ok || !also {
				return false
			}
			block[k] = high<<4 | low
		}
		if given, ok := checkOf(one[2*blockSize:]); !ok || given != blockCheck(e.Next()+i, block) {
			return false
		}
	}
	return true
}

// DropPartial forgets the digits behind the last whole block, and tells how many
// they were: where nobody sees what was typed, a block is typed as a whole.
func (e *Entry) DropPartial() (dropped int) {
	for ; e.n%(2*blockSize) != 0; e.n-- {
		e.set(e.n-1, 0)
		dropped++
	}
	return dropped
}

// fits tells whether the check belongs to the block at this place.
func (e *Entry) fits(place int, check []byte) bool {
	given, ok := checkOf(check)
	return ok && given == blockCheck(place, [blockSize]byte(e.value[(place-1)*blockSize:place*blockSize]))
}

// checkOf reads a check.
func checkOf(check []byte) (int, bool) {
	if len(check) != 2 || check[0] < '0' || check[0] > '9' || check[1] < '0' || check[1] > '9' {
		return 0, false
	}
	return int(check[0]-'0')*10 + int(check[1]-'0'), true
}

func (e *Entry) set(digit int, v byte) {
	shift := 4 * (1 - digit%2)
	e.value[digit/2] = e.value[digit/2]&^(15<<shift) | v<<shift
}

// Component gives what was entered, to be wiped; the Entry is spent. Cause
// Usage when digits are missing.
func (e *Entry) Component() (Component, error) {
	if !e.Done() {
		return Component{}, fault.New(fault.Usage, "%d digits are not the %d of a component of a %s key of %d bits", e.n, 2*len(e.value), e.t, 8*len(e.value))
	}
	c := Component{Key{e.t, secret.New(e.value)}}
	*e = Entry{t: e.t}
	return c, nil
}

// Wipe overwrites what was entered so far.
func (e *Entry) Wipe() { secret.Wipe(e.value) }
