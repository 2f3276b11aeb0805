package sks

import (
	"fmt"

	"ssovault/internal/fault"
)

// MayLogIn decides from the token's flags whether a login does no harm.
func MayLogIn(a Access, t Token) error {
	if t.Tries == TriesLocked {
		return fault.New(fault.PINLocked, "token %s: %s; no login was tried", t, t.Tries).With(unlock[a.Role == RoleSO])
	}
	// The flag is that of CKU_USER and tells nothing of a Crypto User.
	if !t.UserPINSet && a.Role != RoleCryptoUser {
		return NoUserPIN(t, nil)
	}
	if a.Unattended && (t.Tries == TriesFinal || t.Tries == TriesLow && !a.LowExplained) {
		return fault.New(fault.PINRefused, "token %s: %s; no login was tried", t, t.Tries).
			With("make sure that the source holds the right PIN, then log in once with '--try-pin'")
	}
	return nil
}

// NoUserPIN is the failure of a token whose user PIN was never set. Cause
// PINUnavailable.
func NoUserPIN(t Token, err error) error {
	return &fault.Error{Op: "token " + t.String() + " has no user PIN yet", Cause: fault.PINUnavailable, Err: err,
		Advice: "the token's security officer must set the user PIN first ('ssovault hsm pin reset'; on a Luna: initialise the Crypto Officer)"}
}

// unlock says what helps against a locked PIN: the user's, or the security
// officer's.
var unlock = map[bool]string{
	false: "the security officer gives the token a new user PIN: 'ssovault hsm pin reset', or the vendor's own tool; ssovault does not log in until then",
	true:  "the vendor's manual says what a device does then; many have to be initialised anew, and lose their keys",
}

// Refused adds to a login that was refused what the token's flags say now: only
// now do they tell how many tries are left. Cause PINLocked when it was the last.
func Refused(err error, role Role, tries Tries) error {
	e := &fault.Error{Cause: fault.Of(err), Err: fmt.Errorf("%w; %s", err, tries)}
	switch tries {
	case TriesLocked:
		e.Cause, e.Advice = fault.PINLocked, unlock[role == RoleSO]
	case TriesFinal:
		e.Advice = "make sure that it is the right PIN before it is tried again ('--try-pin', or a prompt)"
	}
	return e
}
