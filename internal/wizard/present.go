package wizard

import (
	"bytes"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// present is what lies in the folder when the dialog begins.
type present struct {
	contents *vault.Contents
	problem  error          // why it cannot be opened, or nil
	settings vault.Settings // the defaults of a second run
	token    sks.Token      // sealed: the token that opened it
	pin      secret.Value   // sealed: what the stored source gave
	newest   uint64         // sealed: the newest generation that the token remembers
	afresh   bool           // begin anew, and keep the old files
}

// mode is the mode that the answers' defaults come from.
func (p present) mode() vault.Mode {
	if p.afresh {
		return vault.ModeNone
	}
	return p.contents.Mode
}

// readPresent reads what is there, and opens it: one login. Nothing is left
// behind. Where it cannot be opened it offers to begin anew.
func (d *dialog) readPresent() error {
	f, err := vault.Open(d.ctx, d.Base, vault.Look, d.LockWait)
	if err != nil {
		return err
	}
	// The lock is not kept while somebody thinks; save looks again.
	d.was.contents, d.was.problem = f.Scan(vault.BoundPresent)
	open, openErr := f.OpenToOthers()
	f.Close()
	if openErr != nil {
		return openErr
	}
	d.Base, d.folder = f.Base, f
	d.was.settings = emptySettings()
	if d.CheckOnly && d.was.contents.Mode == vault.ModeSealed {
		d.say("The present configuration is sealed and was not opened: the answers are checked by themselves.")
		d.was.afresh = true
		return nil
	}
	err = d.was.problem
	switch {
	case d.was.contents.Mode == vault.ModeNone && fault.Of(err) == fault.NoConfiguration:
		err = nil
	case err == nil && d.was.contents.Mode == vault.ModeClear:
		d.was.settings, err = d.was.contents.Clear.Parse()
	case err == nil && d.was.contents.Mode == vault.ModeSealed:
		err = d.unseal(f)
	}
	if err != nil {
		if fault.Of(err) == fault.Interrupted || d.ctx.Err() != nil {
			return interrupted(err)
		}
		return d.offerAfresh(err)
	}
	d.was.settings.Bound = d.was.contents.Bound
	for _, path := range open {
		d.say("%s is open to others; the save will close it.", path)
	}
	return nil
}

// offerAfresh says why the present files cannot be opened. Unless somebody
// wants to begin anew, that is what the dialog ends with.
func (d *dialog) offerAfresh(why error) error {
	d.say("The present configuration cannot be opened: %v", why)
	d.say("Cause (%s): %s. %s.", fault.Of(why).Letter(), fault.Of(why), fault.HintFor(why))
	if there, err := durable.Exists(d.layout().Data(vault.RecoveryFile)); err == nil && there {
		d.say("data/%s is there: 'ssovault recovery open' brings these settings back without the HSM.", vault.RecoveryFile)
	}
	d.say("To start afresh makes a new instance with new secrets; the old files are kept in data.before-config-….")
	yes, err := d.confirm("start_afresh", "Start afresh", false)
	if err != nil {
		return err
	}
	if !yes && d.Unattended {
		return &fault.Error{Cause: fault.Of(why), Err: why, Advice: fault.HintFor(why) + orAfresh(fault.Of(why))}
	}
	if !yes {
		return why
	}
	d.was.afresh = true
	d.was.settings = emptySettings()
	return nil
}

// orAfresh adds the answer that begins anew to a hint. Where the HSM or the PIN is
// merely away, or the disk, waiting loses nothing and beginning anew every secret.
func orAfresh(why fault.Cause) string {
	switch why {
	case fault.Unreachable, fault.PINRefused, fault.PINLocked, fault.PINUnavailable, fault.DiskFull, fault.NotPermitted, fault.Busy:
		return "; then run this again. Only for an HSM that is gone for good is there the answer start_afresh=y, which makes a new instance with new secrets"
	}
	return "; or begin anew, with new secrets, by the answer start_afresh=y"
}

// unseal opens the sealed files with the PIN from its stored source. The token
// is not told of a generation that it does not know: it learns that with the
// save. The one thing that may be written before the last answer is the memory
// of a refused PIN, since ten refusals lock a role of the HSM for everybody.
func (d *dialog) unseal(f *vault.Folder) error {
	c := d.was.contents
	pins, err := f.PresentPINs(d.PINs)
	if err != nil {
		return err
	}
	if d.was.pin, err = d.storedPIN(pins, c.SKS); err != nil {
		return err
	}
	device := vault.Device{Dialer: d.Dialer, PINs: pins, TryPIN: d.TryPIN, Now: d.Now}
	store, token, err := f.Login(d.ctx, c.SKS, device, d.was.pin.Clone())
	if err != nil {
		return err
	}
	defer store.Close() // only read from: nothing depends on how it ends
	if token.Replaced {
		d.say("No token has the serial number %s; %s was taken in its place.", c.SKS.Serial, token)
	}
	plain, err := c.OpenCopy(d.ctx, store)
	if err != nil {
		return err
	}
	defer plain.Wipe()
	rollback, err := c.Rollback(d.ctx, store)
	if err != nil {
		return err
	}
	if rollback.Older {
		d.say("Warning: %s", rollback.Warning())
	}
	d.was.token, d.was.newest = token, rollback.Remembered.Generation
	d.was.settings, err = plain.Parse()
	return err
}

// storedPIN reads the PIN where sks.properties says. A person who answers the
// dialog is asked by the dialog, so that all questions come from one place.
func (d *dialog) storedPIN(pins pin.Reader, s vault.SKS) (secret.Value, error) {
	if !s.PIN.Attended() || d.Unattended {
		return pins.Read(d.ctx, s.PIN, "PIN of the token "+s.Label)
	}
	var v secret.Value
	err := d.ask(Question{Text: "Password of the token " + printable(s.Label), Secret: true}, func(answer string) error {
		if answer == "" {
			return errEmptyPassword
		}
		v = secretOf(answer)
		return nil
	})
	return v, err
}

// sameAs tells whether the folder is still what the dialog began with.
func (p present) sameAs(c *vault.Contents, problem error) bool {
	return c.Mode == p.contents.Mode && fault.Of(problem) == fault.Of(p.problem) &&
		c.Mark() == p.contents.Mark() && c.SKS.SameText(p.contents.SKS) && c.Bound == p.contents.Bound &&
		bytes.Equal(c.Clear.Instance, p.contents.Clear.Instance) && bytes.Equal(c.Clear.Shared, p.contents.Clear.Shared)
}
