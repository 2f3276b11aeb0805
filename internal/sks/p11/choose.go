//go:build cgo

package p11

import (
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// seen is a token as one look found it.
type seen struct {
	token  sks.Token
	serial string // as the library gives it, for crypto11's own search
}

// choose finds the token of a: by serial, else by label when exactly one
// initialised token has it. It initialises and finalises the library.
func (r *raw) choose(a sks.Access) (seen, error) {
	var (
		all  []seen
		hit  seen
		last error
	)
	err := r.look(func(s seen, infoErr error) (more bool) {
		if infoErr != nil {
			last = infoErr // a slot that cannot be asked hides no other
			return true
		}
		if a.Serial != "" && s.token.Initialised && s.token.Serial == a.Serial {
			hit = s
			return false // each further slot would cost a call
		}
		all = append(all, s)
		return true
	})
	if err != nil {
		return seen{}, err
	}
	if hit.token.Initialised {
		return hit, nil
	}
	var named []seen
	for _, s := range all {
		if a.Label != "" && s.token.Initialised && s.token.Label == a.Label {
			named = append(named, s)
		}
	}
	switch {
	case len(named) == 1:
		named[0].token.Replaced = a.Serial != ""
		return named[0], nil
	case len(named) > 1:
		return seen{}, fault.New(fault.Unreachable, "no token has serial %s, and %d tokens have label %q", a.Serial, len(named), a.Label)
	}
	e := fault.New(fault.Unreachable, "token %q (serial %s) not found; the library sees: %s", a.Label, a.Serial, names(all))
	e.Err = last
	return seen{}, e
}

func names(all []seen) string {
	var tokens []string
	for _, s := range all {
		if s.token.Initialised {
			tokens = append(tokens, s.token.String())
		}
	}
	if len(tokens) == 0 {
		return "no initialised token"
	}
	return strings.Join(tokens, ", ")
}
