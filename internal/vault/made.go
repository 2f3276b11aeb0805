package vault

import (
	"errors"
	"fmt"

	"ssovault/internal/fault"
)

// ErrMade is in the chain of an error that came after a save had begun to hold:
// whoever reads the folder finds the change.
var ErrMade = errors.New("the change is made, though its last steps are not")

// made says so of an error of a save's last steps; nil stays nil. unread is why
// the journal could not be read back, where that is not certain.
func made(err, unread error) error {
	if err == nil {
		return nil
	}
	cause := fault.Of(err)
	advice := "look at the disk (dmesg)"
	switch {
	case cause == fault.DiskFull:
		advice = "free some space"
	case cause != fault.Unclassified:
		advice = fault.HintFor(err)
	}
	if unread != nil {
		return &fault.Error{Op: "whether the change is made cannot be told", Cause: cause, Err: errors.Join(err, unread),
			Advice: advice + "; then see with 'ssovault status' and 'ssovault show' whether it is"}
	}
	return &fault.Error{Cause: cause, Err: fmt.Errorf("%w: %w", ErrMade, err),
		Advice: advice + "; the command need not be given again: what is read from now on is the change, and the next command that saves does the rest"}
}
