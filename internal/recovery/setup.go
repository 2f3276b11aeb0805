package recovery

import (
	"strings"

	"filippo.io/age"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
)

// The settings of the instance file that make every save write a recovery
// file. Only 'recovery init' and 'recovery off' change them.
const (
	keyRecipient  = "recovery_recipient"
	keySigningKey = "recovery_signing_key"
	keyShares     = "recovery_shares"
)

// Keys are those settings.
func Keys() []string { return []string{keyRecipient, keySigningKey, keyShares} }

// Setup is a recovery as the sealed settings hold it. The caller wipes its Key.
type Setup struct {
	Recipient string
	Shares    Shares
	Key       SigningKey
}

// Public is what of it everybody may know.
func (s Setup) Public() Public {
	return Public{Recipient: s.Recipient, Signer: s.Key.Signer(), Shares: s.Shares}
}

// Read finds the setup in the settings of an instance; nil when there is none.
// Cause Malformed when it is none that Write made.
func Read(set *properties.Set) (*Setup, error) {
	recipient, on := set.Get(keyRecipient)
	keyText, signs := set.Get(keySigningKey)
	sharesText, split := set.Get(keyShares)
	if !on && !signs && !split {
		return nil, nil
	}
	bad := func(key string, err error) error {
		e := &fault.Error{Op: "the setting " + key, Cause: fault.Malformed, Err: err}
		return e.With("'ssovault recovery init' makes a new recovery, 'ssovault recovery off' removes this one")
	}
	if _, err := ParseRecipient(recipient); err != nil {
		return nil, bad(keyRecipient, err)
	}
	s := &Setup{Recipient: recipient}
	var err error
	if s.Key, err = parseSigningKey(keyText); err != nil {
		return nil, bad(keySigningKey, err)
	}
	if s.Shares, err = ParseShares(sharesText); err != nil {
		return nil, bad(keyShares, err)
	}
	return s, nil
}

// Write puts the setup into the settings of an instance.
func (s Setup) Write(set *properties.Set) error {
	Remove(set)
	if err := set.Set(keyRecipient, s.Recipient); err != nil {
		return err
	}
	if err := set.MarkPublic(keyRecipient); err != nil {
		return err
	}
	if s.Shares.Split() {
		if err := set.Set(keyShares, s.Shares.String()); err != nil {
			return err
		}
		if err := set.MarkPublic(keyShares); err != nil {
			return err
		}
	}
	return set.Set(keySigningKey, s.Key.text())
}

// Remove takes the setup out of the settings, and tells whether there was one.
func Remove(set *properties.Set) (had bool) {
	for _, key := range Keys() {
		had = set.Unset(key) || had
	}
	return had
}

// ParseRecipient reads one age recipient. Cause Usage.
func ParseRecipient(text string) (age.Recipient, error) {
	if strings.HasPrefix(strings.ToUpper(text), "AGE-SECRET-KEY-") {
		// Not repeated: it is a secret, and others may have seen it.
		return nil, fault.New(fault.Usage, "that is a secret key; give the recipient that belongs to it (age1…)").
			With("make a new key: this one has been on a command line")
	}
	all, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(all) != 1 || strings.TrimSpace(text) != text || strings.HasPrefix(text, "#") {
		return nil, fault.New(fault.Usage, "%q is not one age recipient (age1…)", text)
	}
	return all[0], nil
}
