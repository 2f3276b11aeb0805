package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// message is what the log says of a failure; what varies is in its fields.
var message = map[bool]string{true: "unable to use secure key storage", false: "failed"}

// report says what a command failed for, on standard error and in the log, and
// gives the exit status. It is the one place that does.
func (a *app) report(err error) int {
	if err == nil && a.out.failed != nil {
		err = fault.Wrap(durable.Cause(a.out.failed), a.out.failed, "print")
	}
	if err == nil {
		return a.status
	}
	cause := fault.Of(err)
	code := cause.ExitCode()
	if a.failed != nil {
		code = a.failed(err)
	}
	if cause.OfKeyStorage() {
		fmt.Fprintf(a.err, "ssovault: Unable to use Secure Key Storage: %v\n", err)
		fmt.Fprintf(a.err, "ssovault: cause (%s): %s\n", cause.Letter(), fault.TextFor(err))
	} else {
		fmt.Fprintf(a.err, "ssovault: %s\n", says(err))
	}
	fmt.Fprintf(a.err, "ssovault: hint: %s\n", fault.HintFor(err))
	if cause.OfKeyStorage() || cause == fault.Unclassified {
		a.log.Error().Str("command", a.command).Str("cause", cause.Letter()).Int("exit", cause.ExitCode()).
			Str("hint", fault.HintFor(err)).Err(err).Msg(message[cause.OfKeyStorage()])
	}
	return code
}

// says gives the text of an error. That of a context is none for an administrator.
func says(err error) string {
	if !errors.Is(err, context.Canceled) {
		return err.Error()
	}
	// What was being done, without what each layer below calls it.
	what, _, layers := strings.Cut(err.Error(), ": ")
	if !layers {
		return "interrupted"
	}
	return "interrupted: " + what
}

// warn says what an administrator will have to act on, and logs it.
func (a *app) warn(text string) {
	if text == "" {
		return
	}
	fmt.Fprintf(a.err, "ssovault: warning: %s\n", text)
	a.log.Warn().Str("command", a.command).Str("detail", text).Msg("warning")
}
