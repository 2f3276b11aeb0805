package answers

import (
	"fmt"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
)

// Parse reads a file of answers, in Java's .properties format; name is what the
// file is called in messages. A key that is unknown, that is a secret itself,
// or that comes twice is refused with its line. Cause Usage.
func Parse(name string, b []byte) (*Answers, error) {
	if len(b) > MaxSize {
		return nil, fault.New(fault.Usage, "%s: larger than %d KiB", name, MaxSize>>10)
	}
	// The whole file first: it says what is wrong with the encoding, and its
	// errors name their lines themselves.
	whole, err := properties.Parse(b)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "%s", name)
	}
	a := &Answers{origin: name, given: map[string]answer{}}
	for _, l := range logicalLines(strings.TrimPrefix(string(b), "\uFEFF")) {
		set, err := properties.Parse([]byte(l.text))
		if err != nil {
			return nil, fault.Wrap(fault.Usage, err, "%s line %d", name, l.number)
		}
		for _, key := range set.Keys() {
			value, _ := set.Get(key)
			if err := a.put(key, value, fmt.Sprintf("%s line %d", name, l.number)); err != nil {
				return nil, err
			}
		}
	}
	if whole.Len() != len(a.given) {
		return nil, fault.New(fault.Usage, "%s: the lines cannot be told apart", name)
	}
	return a, nil
}

// logicalLine is a property with the number of its first line.
type logicalLine struct {
	number int
	text   string
}

// logicalLines cuts a file where one property ends and the next begins, as
// java.util.Properties does: a line that ends in an odd number of backslashes
// goes on in the next, unless it is blank or a comment.
func logicalLines(text string) []logicalLine {
	var all []logicalLine
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	goesOn := false
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		if goesOn {
			last := &all[len(all)-1]
			last.text += "\n" + line
		} else {
			start := strings.TrimLeft(line, " \t\f")
			if start == "" || start[0] == '#' || start[0] == '!' {
				continue
			}
			all = append(all, logicalLine{number, line})
		}
		goesOn = (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
	}
	return all
}
