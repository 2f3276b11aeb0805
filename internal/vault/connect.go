package vault

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"

	"ssovault/internal/cryptoki"
	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Device is what a folder needs to reach its token.
type Device struct {
	Dialer sks.Dialer
	PINs   pin.Reader
	// TryPIN logs in although this PIN was refused before, or the token's
	// flags advise against it.
	TryPIN bool
	// Source stands in for the one that sks.properties names; nil: it does not.
	Source *pin.Source
	Now    func() time.Time
}

// Connect reads the PIN from where sks.properties says, and logs in with it.
// The caller closes the store.
func (f *Folder) Connect(ctx context.Context, s SKS, d Device) (sks.Store, sks.Token, error) {
	if d.Source != nil {
		s.PIN = *d.Source
	}
	var err error
	if d.PINs, err = f.PresentPINs(d.PINs); err != nil {
		return nil, sks.Token{}, err
	}
	secretPIN, err := d.PINs.Read(ctx, s.PIN, "PIN of the token "+s.Label)
	if err == nil && d.Source == nil {
		err = f.mayUse(s, secretPIN)
	}
	if err != nil {
		secretPIN.Wipe()
		return nil, sks.Token{}, err
	}
	return f.Login(ctx, s, d, secretPIN)
}

// Login logs in with the PIN of that configuration: once, and not at all when
// this PIN was refused before, or is known to be another token's, and its source
// has not changed since. It takes the PIN over and wipes it. The caller closes the store.
func (f *Folder) Login(ctx context.Context, s SKS, d Device, secretPIN secret.Value) (sks.Store, sks.Token, error) {
	defer secretPIN.Wipe()
	var store sks.Store
	token, err := f.Once(ctx, s, d, func(access sks.Access) (token sks.Token, err error) {
		store, token, err = d.Dialer.Dial(ctx, access, secretPIN)
		return token, err
	})
	return store, token, err
}

// Once lets a login with the PIN of that configuration be tried, under the rules
// of Login. It tells the token also when the login was refused.
func (f *Folder) Once(ctx context.Context, s SKS, d Device, login func(sks.Access) (sks.Token, error)) (sks.Token, error) {
	unlock, err := f.oneLogin(ctx, s.Timeouts.Use+DefaultLockWait)
	if err != nil {
		return sks.Token{}, err
	}
	defer unlock()

	refusals := f.refusals()
	identity := d.PINs.Identity(s.PIN)
	access := s.Access()
	attended := s.PIN.Attended()
	if !d.TryPIN && !attended {
		if err := f.ForeignPIN(nil, s, d.PINs); err != nil {
			return sks.Token{}, err
		}
		if err := refusals.Check(s.Serial, string(s.Role), identity); err != nil {
			return sks.Token{}, err
		}
		access.Unattended = true
		access.LowExplained = refusals.Explain(s.Serial, counted(s.Role)...)
	}
	token, err := login(access)
	switch {
	case err == nil:
		_ = refusals.Forget(s.Serial, string(s.Role)) // the PIN works; what cannot be removed is at worst said again
		f.fits(s, identity)
		return token, nil
	case attended:
		// A person sees the refusal and decides about the next try.
		err = sks.Typed(err)
	case refusedByLogin(err):
		record := pin.Refusal{
			Token: s.Serial, Role: string(s.Role), Source: s.PIN.String(), Identity: identity, Time: d.Now().UTC(),
			Locked: fault.Of(err) == fault.PINLocked,
		}
		_ = durable.MakeFolder(f.Run("")) // where it cannot, Record remembers beside
		if recordErr := refusals.Record(record); recordErr != nil {
			return token, fault.Wrap(fault.PINRefused, err, "this refusal could not be recorded (%v), so another start may spend another try", recordErr)
		}
	}
	if fault.Of(err) == fault.Unclassified {
		err = fault.Wrap(fault.Unreachable, err, "log in to the token %s", s.Label)
	}
	return token, err // else it says itself what it was about
}

// counted are the roles whose refusals the flags speak of that a login sees. A
// Crypto User sees those of the user, of whose PIN they are.
func counted(role sks.Role) []string {
	if role == sks.RoleCryptoUser {
		return []string{string(sks.RoleUser), string(role)}
	}
	return []string{string(role)}
}

// ForgetRefusals forgets what a token refused that was initialised since: it has
// other PINs now.
func (f *Folder) ForgetRefusals(serial string) {
	_ = f.refusals().Forget(serial, string(sks.RoleUser), string(sks.RoleCryptoUser), string(sks.RoleSO)) // what stays is said again
}

// refusedByLogin tells whether the token itself refused a login: then its code
// is known. Where its flags advised against one, nothing was tried.
func refusedByLogin(err error) bool {
	_, tried := cryptoki.Code(err)
	c := fault.Of(err)
	return tried && (c == fault.PINRefused || c == fault.PINLocked)
}

// oneLogin lets one login happen at a time from this folder, so that starts in
// parallel do not each spend a try on the same refused PIN. The lock is on the
// folder run/ itself: to look must leave no file behind.
func (f *Folder) oneLogin(ctx context.Context, wait time.Duration) (unlock func(), err error) {
	there, err := durable.Exists(f.Run(""))
	if err != nil || !there {
		return func() {}, err
	}
	lock := flock.New(f.Run(""), flock.SetFlag(os.O_RDONLY))
	if err := waitFor(ctx, lock, true, wait); fault.Of(err) == fault.Busy {
		return nil, fault.New(fault.Busy, "another ssovault is logging in to the HSM from this folder; waited %v", wait).
			With("its login does not come to an end: is the HSM away? Once that one has given up, try again, or ask 'ssovault doctor'")
	} else if err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}

// PresentPINs gives a reader of sources for whom BASE/sks.pin is the file of
// the last whole save, wherever a crash has left it.
func (f *Folder) PresentPINs(r pin.Reader) (pin.Reader, error) {
	r.File = f.PINFile()
	j, err := f.readJournal()
	if err != nil || j == nil {
		return r, err
	}
	for _, e := range j.Entries {
		if e.Name == pinEntry {
			r.File, err = f.resolve(j, e)
		}
	}
	return r, err
}

// refusals is the memory of refused PINs. Where BASE takes no writes it is kept
// in memory, under a name that only this folder has.
func (f *Folder) refusals() pin.Refusals {
	sum := sha256.Sum256([]byte(f.Base))
	return pin.Refusals{Path: f.refused(), Beside: fmt.Sprintf("/dev/shm/ssovault-refused-%d-%x", f.Owner.UID, sum[:8])}
}

// RefusedBefore answers PINRefused or PINLocked, or PINUnavailable for the PIN of
// another token, when Connect would not log in.
func (f *Folder) RefusedBefore(s SKS, pins pin.Reader) error {
	pins, err := f.PresentPINs(pins)
	if err != nil {
		return err
	}
	if err := f.ForeignPIN(nil, s, pins); err != nil {
		return err
	}
	err = f.refusals().Check(s.Serial, string(s.Role), pins.Identity(s.PIN))
	if s.PIN.Attended() && (errors.Is(err, fault.PINRefused) || errors.Is(err, fault.PINLocked)) {
		return nil // a person may type another
	}
	return err
}
