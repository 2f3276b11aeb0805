package p11

import (
	"errors"
	"strconv"
	"strings"

	"ssovault/internal/sks"
)

// maxMark bounds the value of a mark: two words, 20 and 32 digits.
const maxMark = 80

var errMark = errors.New("not a mark of ours")

// formatMark gives the value of the data object that holds a mark.
func formatMark(m sks.Mark) ([]byte, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	text := "generation=" + strconv.FormatUint(m.Generation, 10) + "\nsave-id=" + m.SaveID + "\n"
	return []byte(text), nil
}

// parseMark reads what formatMark wrote and nothing else: what it takes has one
// spelling only. Others may write into the token too.
func parseMark(b []byte) (m sks.Mark, err error) {
	if len(b) > maxMark {
		return m, errMark
	}
	first, rest, ok := strings.Cut(string(b), "\n")
	if !ok {
		return m, errMark
	}
	digits, ok := strings.CutPrefix(first, "generation=")
	if !ok {
		return m, errMark
	}
	id, ok := strings.CutPrefix(rest, "save-id=")
	if !ok {
		return m, errMark
	}
	if id, ok = strings.CutSuffix(id, "\n"); !ok {
		return m, errMark
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != digits {
		return m, errMark
	}
	found := sks.Mark{Generation: n, SaveID: id}
	if found.Check() != nil {
		return m, errMark
	}
	return found, nil
}
