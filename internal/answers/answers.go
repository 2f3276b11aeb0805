package answers

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
)

// MaxSize bounds a file of answers, in bytes.
const MaxSize = 1 << 20

// Answers are prepared answers. They may be used by several goroutines.
type Answers struct {
	origin string // of answers that are not there, for people
	given  map[string]answer
}

type answer struct{ value, where string }

// Answer gives the answer to a key, and where it stands; where it should
// stand, when it is not given.
func (a *Answers) Answer(name string) (value, where string, given bool) {
	if had, ok := a.given[name]; ok {
		return had.value, had.where, true
	}
	return "", a.origin, false
}

// Variables names the environment variables that the answers take secrets
// from, each once and sorted.
func (a *Answers) Variables() []string {
	names := map[string]bool{}
	for name, had := range a.given {
		if k, _ := lookup(name); k.source {
			if s, err := pin.ParseSource(had.value); err == nil && s.Kind == pin.KindEnv {
				names[s.Arg] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// put takes an answer in, unless it can be seen to be wrong. The error never
// holds the value of what may be a secret.
func (a *Answers) put(name, value, where string) error {
	k, known := lookup(name)
	switch _, twice := a.given[name]; {
	case !known:
		return unknown(name, where)
	case twice:
		return fault.New(fault.Usage, "%s: %s was answered before, at %s", where, name, a.given[name].where)
	}
	value = strings.TrimSpace(value)
	if err := k.check(value); err != nil {
		return fault.Wrap(fault.Usage, err, "%s: %s", where, name)
	}
	a.given[name] = answer{value, where}
	return nil
}

// RefusedSecret refuses a key whose value would be a secret itself, and says how to
// give it; nil for any other.
func RefusedSecret(name, where string) error {
	if _, isSecret := lookup(name + sourceSuffix); !isSecret {
		return nil
	}
	return unknown(name, where)
}

// unknown refuses a key; one that is a secret itself is told how to be given.
func unknown(name, where string) error {
	if _, isSecret := lookup(name + sourceSuffix); isSecret {
		return fault.New(fault.Usage, "%s: %s would hold a secret", where, name).
			With(fmt.Sprintf("say where the secret comes from: %s%s=file:PATH (or credential:, command:, env:, fd:, prompt); if it is real, change it", name, sourceSuffix))
	}
	return fault.New(fault.Usage, "%s: %q is no key", where, name).
		With("'ssovault config --print-answers' shows all keys")
}

func (k key) check(value string) error {
	if value == "" {
		return nil
	}
	if k.source {
		source, err := pin.ParseSource(value)
		if err == nil && source == pin.Default && k.name != "pin_source" {
			err = errors.New("file needs a path here: file:PATH")
		}
		if err != nil {
			return err
		}
	}
	if k.yesOrNo {
		switch strings.ToLower(value) {
		case "y", "yes", "true", "n", "no", "false":
		default:
			return fmt.Errorf("answer y or n, not %q", value)
		}
	}
	return nil
}

// FromWords takes answers from a command line. domain, unless it is empty, is
// the value of -initialize, which is the SSO domain; words are the others by
// their key. Cause Usage.
func FromWords(domain string, words map[string]string) (*Answers, error) {
	a := &Answers{origin: "the command line", given: map[string]answer{}}
	if domain != "" {
		if err := a.put("sso_domain", domain, "-initialize"); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(words)) {
		if err := a.put(name, words[name], "-"+name); err != nil {
			return nil, err
		}
	}
	return a, nil
}
