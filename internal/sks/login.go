package sks

import (
	"fmt"

	"ssovault/internal/fault"
)

// MayLogIn decides from the token's flags whether a login does no harm.
func MayLogIn(a Access, t Token) error {
	if t.Tries == TriesLocked {
		return Locked(a.Role, t)
	}
	// The flag is that of CKU_USER and tells nothing of a Crypto User.
	if !t.UserPINSet && a.Role != RoleCryptoUser {
		return NoUserPIN(t, nil)
	}
	if a.Unattended && (t.Tries == TriesFinal || t.Tries == TriesLow && !a.LowExplained) {
		return fault.New(fault.PINRefused, "token %s, %s: %s; no login was tried", t, whose(a.Role), t.Tries).
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

// Locked is the failure of a token whose PIN is locked, before anything is tried.
// Cause PINLocked.
func Locked(role Role, t Token) error {
	return fault.New(fault.PINLocked, "token %s: %s is locked; no login was tried", t, whose(role)).With(unlock(role))
}

func whose(role Role) string {
	if role == RoleSO {
		return "the security officer's PIN"
	}
	return "the user PIN"
}

// unlock says what helps against a locked PIN. A security officer's is asked for
// by C_InitToken too, so what is above the token has to remove it; a Luna has
// zeroized the partition by itself.
func unlock(role Role) string {
	if role == RoleSO {
		return "nothing unlocks it, and initialising asks for it too: the token is removed by what is above it, with its keys. " +
			"SoftHSM: 'softhsm2-util --delete-token'; a Luna has zeroized the partition: 'partition init' in LunaCM; " +
			"ProtectServer: its Administrator removes the slot and makes a new one, 'ctconf -d' and '-c'. Other devices: the vendor's manual"
	}
	return "the security officer gives the token a new user PIN: 'ssovault hsm pin reset', or the vendor's own tool; ssovault does not log in until then"
}

// Refused adds to a login that was refused what the token's flags say now: only
// now do they tell how many tries are left. Cause PINLocked when it was the last,
// or when the token said that the PIN is locked.
func Refused(err error, role Role, tries Tries) error {
	e := &fault.Error{Cause: fault.Of(err), Err: fmt.Errorf("%w; %s", err, tries)}
	switch {
	case tries == TriesLocked, e.Cause == fault.PINLocked:
		e.Cause, e.Advice = fault.PINLocked, unlock(role)
	case tries == TriesFinal:
		e.Advice = "make sure that it is the right PIN before it is tried again ('--try-pin', or a prompt)"
	}
	return e
}

// Typed says of a refused PIN what whoever typed it can do: no source keeps it.
// Every other error it gives back as it is.
func Typed(err error) error {
	if fault.Of(err) != fault.PINRefused || fault.HintFor(err) != fault.PINRefused.Hint() {
		return err
	}
	return (&fault.Error{Cause: fault.PINRefused, Err: err}).With("give the command again with the right PIN: the token may count refusals, and lock the PIN after a few")
}
