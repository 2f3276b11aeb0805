package vault

import (
	"context"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
)

// Device is what a folder needs to reach its token.
type Device struct {
	Dialer sks.Dialer
	PINs   pin.Reader
	// TryPIN logs in although this PIN was refused before, or the token's
	// flags advise against it.
	TryPIN bool
	Now    func() time.Time
}

// Connect reads the PIN from where sks.properties says, and logs in: once, and
// not at all when this PIN was refused before and its source has not changed
// since. The caller closes the store.
func (f *Folder) Connect(ctx context.Context, s SKS, d Device) (sks.Store, sks.Token, error) {
	secretPIN, err := d.PINs.Read(ctx, s.PIN, "PIN of the token "+s.Label)
	if err != nil {
		return nil, sks.Token{}, err
	}
	access := s.Access()
	access.Unattended = !d.TryPIN && !s.PIN.Attended()

	// One login at a time from this folder, so that starts in parallel do not
	// each spend a try on the same refused PIN.
	if err := durable.MakeFolder(f.Run("")); err != nil {
		return nil, sks.Token{}, err
	}
	lock, err := waitFor(ctx, f.loginLock(), true, s.Timeouts.Use+DefaultLockWait)
	if err != nil {
		return nil, sks.Token{}, err
	}
	defer lock.Close()

	refusals := pin.Refusals{Path: f.refused()}
	identity := d.PINs.Identity(s.PIN)
	if access.Unattended {
		if err := refusals.Check(s.Serial, string(s.Role), identity); err != nil {
			secretPIN.Wipe()
			return nil, sks.Token{}, err
		}
	}
	store, token, err := d.Dialer.Dial(ctx, access, secretPIN)
	switch {
	case err == nil:
		return store, token, refusals.Forget()
	case fault.Of(err) == fault.PINRefused || fault.Of(err) == fault.PINLocked:
		record := pin.Refusal{Token: s.Serial, Role: string(s.Role), Source: identity, Time: d.Now().UTC()}
		if recordErr := refusals.Record(record); recordErr != nil {
			return nil, token, fault.Wrap(fault.PINRefused, err, "this refusal could not be recorded (%v), so another start may spend another try", recordErr)
		}
	}
	return nil, token, fault.Wrap(fault.Unreachable, err, "log in to the token %s", s.Label)
}

// RefusedBefore answers PINRefused when Connect would not log in.
func (f *Folder) RefusedBefore(s SKS, pins pin.Reader) error {
	return pin.Refusals{Path: f.refused()}.Check(s.Serial, string(s.Role), pins.Identity(s.PIN))
}
