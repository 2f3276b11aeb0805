package wizard

import (
	"errors"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/properties"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// save carries out what was answered, as one save: the first thing in the
// dialog that changes the folder or the token.
func (d *dialog) save() (result Result, err error) {
	f, err := d.openForChange()
	if err != nil {
		return Result{}, err
	}
	defer f.Close()
	now, scanErr := f.Scan(vault.BoundPresent)
	if !d.was.sameAs(now, scanErr) {
		return Result{}, fault.New(fault.Busy, "somebody else changed the configuration during the dialog; nothing was saved").
			With("start the dialog again")
	}
	if err := d.generate(); err != nil {
		return Result{}, err
	}
	plan := d.plan(now)
	result = Result{Mode: vault.ModeClear}
	var store sks.Store
	if d.sks != nil {
		result.Mode, result.NewKey = vault.ModeSealed, !d.sks.keepKey
		d.say("Logging in to the token %s …", d.sks.token)
		store, result.Token, err = d.openToken(plan.SKS)
		if err != nil {
			return Result{}, d.brokenOff(err)
		}
		defer store.Close() // what was asked of it is done and checked
	}
	if err := f.CloseToOthers(); err != nil {
		return Result{}, err
	}
	if d.was.afresh {
		keptAt := d.Now()
		defer func() {
			if err != nil { // nothing may have been replaced
				err = errors.Join(err, f.Unkeep(vault.BeforeConfig, keptAt))
			}
		}()
		if result.Kept, err = f.KeepAside(vault.BeforeConfig, keptAt); err != nil {
			return Result{}, err
		}
	}
	if d.movesAway() {
		if result.KeptPIN, err = f.KeepPIN(vault.KeptSuffix(d.Now())); err != nil {
			return Result{}, err
		}
	}
	d.sayPlan(result)
	out, err := f.Configure(d.ctx, plan, store, result.Token)
	if err != nil {
		return Result{}, d.notSaved(f, out, err)
	}
	result.Mark, result.SKS = out.Mark, out.SKS
	if err := d.tidy(f); err != nil {
		return Result{}, err
	}
	d.sum(result, out.Remembers)
	return result, nil
}

// notSaved tells a save that failed from one that holds although the device
// could not be told of it: "nothing was changed" would then be wrong.
func (d *dialog) notSaved(f *vault.Folder, out vault.Outcome, err error) error {
	if errors.Is(err, vault.ErrMade) {
		return err
	}
	if f.Holds(out) {
		return fault.Wrap(fault.Unclassified, err, "the settings are sealed and saved, but")
	}
	return d.brokenOff(err)
}

func (d *dialog) openForChange() (*vault.Folder, error) {
	if d.was.afresh {
		return vault.OpenAfresh(d.ctx, d.Base, d.LockWait)
	}
	return vault.Open(d.ctx, d.Base, vault.Change, d.LockWait)
}

// generate makes what nobody is asked for, where it is missing or to be
// renewed. The instance number is never renewed: keys and backups carry it.
func (d *dialog) generate() error {
	for _, s := range properties.Schema() {
		if !s.Generated {
			continue
		}
		to := set(d.settings, s.File)
		if had, ok := to.Get(s.Key); ok && had != "" && !(d.renew && s.Secret) {
			continue
		}
		draw := properties.NewInstanceNumber
		if s.Secret {
			draw = properties.NewSecretKey
		}
		value, err := draw(d.Random)
		if err != nil {
			return err
		}
		if err := to.Set(s.Key, value); err != nil {
			return err
		}
	}
	return nil
}

func (d *dialog) plan(now *vault.Contents) vault.Plan {
	save := vault.Save{Settings: d.settings}
	save.TakeIn(d.keyStore.name, d.keyStore.content)
	save.TakeIn(vault.MetadataFile, d.metadata)
	p := vault.Plan{Settings: save.Settings, Files: save.Files, Present: now, Generation: d.was.newest, Now: d.Now()}
	if d.was.afresh {
		p.Present, p.Generation = nil, 0
	}
	if d.sks == nil {
		return p
	}
	p.SKS, p.KeepKey, p.Leaf, p.Replicable = d.describedSKS(), d.sks.keepKey, d.sks.leaf, d.Replicable
	if d.sks.source == pin.Default && (d.sks.pinTyped || !d.hadPINFile()) {
		p.PIN = d.sks.pin
	}
	return p
}

// hadPINFile tells whether BASE/sks.pin is what the present configuration uses.
func (d *dialog) hadPINFile() bool {
	return d.was.mode() == vault.ModeSealed && d.was.contents.SKS.PIN == pin.Default
}

func (d *dialog) sayPlan(r Result) {
	switch {
	case r.Mode == vault.ModeClear:
		d.say("Saving …")
	case r.NewKey:
		d.say("Making a key in the token, sealing the settings and opening them again …")
	default:
		if d.Replicable {
			d.say("The key that is there stays as it is; --new-key --replicable makes another one.")
		}
		d.say("Sealing the settings and opening them again …")
	}
}

// movesAway tells whether BASE/sks.pin is the PIN of a token that is left:
// backups made until now need it.
func (d *dialog) movesAway() bool {
	return d.hadPINFile() && d.sks != nil && d.sks.token.Serial != d.was.token.Serial
}

// tidy removes a PIN in BASE/sks.pin that nothing reads any more, since the
// dialog has just said what a stolen disk lacks: if it is certain that the new
// source gives the same one, and only then.
func (d *dialog) tidy(f *vault.Folder) error {
	if d.sks == nil || d.sks.source == pin.Default || !d.hadPINFile() {
		return nil
	}
	if !d.sks.sourceRead || d.movesAway() {
		d.say("%s is left where it is, though nothing reads it now: delete it once %s works.", f.PINFile(), d.sks.source)
		return nil
	}
	if err := durable.Remove(f.PINFile()); err != nil {
		return err
	}
	d.say("%s is removed: the password comes from %s now.", f.PINFile(), d.sks.source)
	return durable.SyncFolder(f.Base)
}

// sum says what was done and what comes next.
func (d *dialog) sum(r Result, remembers bool) {
	number := d.settings.InstanceNumber()
	if r.Mode == vault.ModeClear {
		d.say("Saved in the clear: instance %s.", number)
	} else {
		d.say("Sealed: instance %s, generation %d, with the key %q in the token %s.", number, r.Mark.Generation, r.SKS.KeyLabel, r.Token)
		if !remembers {
			d.say("This token cannot remember the generation: a rollback of the files will not be detected.")
		}
	}
	if r.NewKey && d.was.mode() == vault.ModeSealed {
		d.say("The key before, %q, stays in the token %s: backups made until now need it. 'ssovault key retire' removes it when nothing does.", d.was.contents.SKS.KeyLabel, d.was.token)
	}
	if r.Kept != "" {
		d.say("The old files are kept in %s, and the old PIN, if there was one, beside it.", r.Kept)
	}
	if r.KeptPIN != "" {
		d.say("The PIN of the token before is kept in %s; delete it when no backup needs that token.", r.KeptPIN)
	}
	d.say("Log: %s", d.layout().Log())
	d.say("Next: ssovault run -- CMD")
}
