package sks

import "ssovault/internal/fault"

// MayLogIn decides from the token's flags whether a login does no harm.
func MayLogIn(a Access, t Token) error {
	if t.Tries == TriesLocked {
		return fault.New(fault.PINLocked, "token %s: %s; no login was tried", t, t.Tries)
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
