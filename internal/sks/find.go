package sks

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// FindToken finds the one token that answer names: by slot number, label or
// serial number. The error says what the library sees.
func FindToken(tokens []Token, answer string) (Token, error) {
	found, err := TokenNamed(tokens, answer)
	switch {
	case err != nil:
		return Token{}, err
	case !found.Initialised:
		return Token{}, fmt.Errorf("the token in slot %d is not initialised: 'ssovault hsm init' does that", found.Slot)
	case !found.UserPINSet:
		return Token{}, fmt.Errorf("the token %s has no user PIN yet: its security officer sets the first one", found)
	}
	return found, nil
}

// TokenNamed is FindToken for a token that need not be ready for use.
func TokenNamed(tokens []Token, answer string) (Token, error) {
	answer = strings.TrimSpace(answer)
	if answer == "" {
		return Token{}, fmt.Errorf("a slot number, a label or a serial number is needed; %s", seen(tokens))
	}
	var found []Token
	for _, t := range tokens {
		if strconv.FormatUint(uint64(t.Slot), 10) == answer || t.Initialised && (t.Label == answer || t.Serial == answer) {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 0:
		return Token{}, &absent{fmt.Sprintf("no slot number, label or serial number is %q; %s", answer, seen(tokens))}
	case len(found) > 1:
		return Token{}, fmt.Errorf("%q means several tokens: %s; name one by its serial number", answer, list(found))
	}
	return found[0], nil
}

// ErrAbsent is what TokenNamed says where no token has that name, rather than
// several.
var ErrAbsent = errors.New("no token")

type absent struct{ text string }

func (a *absent) Error() string { return a.text }

func (a *absent) Is(target error) bool { return target == ErrAbsent }

// Seen says which tokens there are.
func Seen(tokens []Token) string { return seen(tokens) }

func seen(tokens []Token) string {
	if len(tokens) == 0 {
		return errNoTokens.Error()
	}
	return "the library sees " + list(tokens)
}

var errNoTokens = errors.New("the library sees no token at all")

func list(tokens []Token) string {
	names := make([]string, len(tokens))
	for i, t := range tokens {
		names[i] = t.String()
		if !t.Initialised {
			names[i] = fmt.Sprintf("a token that is not initialised (slot %d)", t.Slot)
		}
	}
	return strings.Join(names, ", ")
}
