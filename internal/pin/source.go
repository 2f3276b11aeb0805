// Package pin knows where a PIN or password may come from, reads it from there,
// and remembers that one was refused. PINs are never taken from a command line.
package pin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind is a kind of source.
type Kind string

// The kinds, as they are written before the colon.
const (
	KindFile       Kind = "file"
	KindCredential Kind = "credential" // systemd, $CREDENTIALS_DIRECTORY
	KindCommand    Kind = "command"
	KindEnv        Kind = "env"
	KindFD         Kind = "fd"
	KindPrompt     Kind = "prompt"
)

// Source names where a secret comes from; it holds none. The zero Source is
// no source.
type Source struct {
	Kind Kind
	Arg  string // a path, a name, a command with its arguments, a number
}

// Default is BASE/sks.pin, the file that ssovault itself keeps.
var Default = Source{Kind: KindFile}

// grammar is what a refused source is told.
const grammar = "file, file:PATH, credential:NAME, command:CMD ARGS, env:NAME, fd:N or prompt"

// ParseSource reads a source as sks.properties and the dialog write it. The error
// never repeats what was given.
func ParseSource(s string) (Source, error) {
	word, arg, colon := strings.Cut(s, ":")
	src := Source{Kind: Kind(word), Arg: arg}
	bad := func(why string) (Source, error) {
		return Source{}, fmt.Errorf("%s (a source is %s)", why, grammar)
	}
	if strings.ContainsAny(s, "\x00\n\r") {
		return bad("a source is one line")
	}
	switch src.Kind {
	case KindFile:
		if colon && arg == "" {
			return bad("file: names no path")
		}
	case KindPrompt:
		if colon {
			return bad("prompt takes no argument")
		}
	case KindCommand:
		if len(strings.Fields(arg)) == 0 {
			return bad("command: names no command")
		}
	case KindCredential:
		if arg == "" || strings.Contains(arg, "/") || strings.HasPrefix(arg, ".") {
			return bad("credential: wants the name of a systemd credential")
		}
	case KindEnv:
		if arg == "" || strings.ContainsAny(arg, "= ") {
			return bad("env: wants the name of a variable")
		}
	case KindFD:
		if n, err := strconv.Atoi(arg); err != nil || n < 0 || strconv.Itoa(n) != arg {
			return bad("fd: wants the number of an open descriptor")
		}
	default:
		// It may be the secret itself, put in the wrong place: not repeated.
		return bad("this is no source")
	}
	return src, nil
}

// String gives the source as ParseSource reads it.
func (s Source) String() string {
	if s.Arg == "" {
		return string(s.Kind)
	}
	return string(s.Kind) + ":" + s.Arg
}

// Attended tells whether a person answers.
func (s Source) Attended() bool { return s.Kind == KindPrompt }

// StolenDisk says what whoever has a copy of the disk still lacks.
func (s Source) StolenDisk() string {
	switch s.Kind {
	case KindFile:
		return "a stolen disk holds the PIN too; what it lacks is the HSM itself"
	case KindCredential:
		return "a stolen disk lacks the HSM, and the PIN if the credential is encrypted (systemd-creds)"
	case KindCommand:
		return "a stolen disk lacks the HSM, and the PIN unless the command finds it on that disk"
	case KindEnv, KindFD:
		return "a stolen disk lacks the HSM, and the PIN unless whatever starts the service keeps it there"
	}
	return "a stolen disk lacks the HSM and the PIN; somebody must type it at every start"
}

// ErrNone is what Read wraps when the source is absent or empty.
var ErrNone = errors.New("absent or empty")
