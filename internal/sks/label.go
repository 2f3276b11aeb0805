package sks

import (
	"errors"
	"unicode"
	"unicode/utf8"
)

// maxLabel bounds a label in bytes: some tokens keep its length in one.
const maxLabel = 255

// CheckLabel allows any CKA_LABEL that prints on one line.
func CheckLabel(s string) error {
	if s == "" || len(s) > maxLabel || !utf8.ValidString(s) {
		return errors.New("not 1 to 255 bytes of UTF-8")
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return errors.New("a character that does not print")
		}
	}
	return nil
}
