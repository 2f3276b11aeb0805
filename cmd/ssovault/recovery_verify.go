package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/recovery"
	"ssovault/internal/vault"
)

// rescue is a recovery file that was opened and verified, and the folder that
// its settings are for.
type rescue struct {
	folder   *vault.Folder
	opened   *recovery.Opened
	settings vault.Settings
	traces   vault.Traces
	out      recovered
}

// openRescue reads and decrypts the recovery file, and gives its settings if
// they are to be trusted.
func (a *app) openRescue(ctx context.Context, o recoverOptions, id recovery.Identity, file []byte) (*rescue, error) {
	f, err := a.open(ctx, vault.Look)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &rescue{folder: f, traces: f.Traces()}
	if o.file == "" {
		file, err = f.ReadRecovery()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.FileMissing, "data/%s is missing", vault.RecoveryFile).
				With("take it from a backup of this instance and name it with --file; without one there is no way back without the HSM")
		}
		if err != nil {
			return nil, err
		}
	}
	if r.opened, err = recovery.Open(file, id); err != nil {
		if o.file == "" && id.Set != nil && fault.Of(err) == fault.Usage {
			err = r.otherInstance(id, err)
		}
		return nil, otherSet(f, id, err)
	}
	f.Close() // somebody may be asked
	signer, err := a.trusted(ctx, o, id, r.opened)
	if err != nil {
		return nil, err
	}
	var plain vault.Plain
	if plain.Instance, plain.Shared, err = r.opened.Trust(signer); err != nil {
		return nil, err
	}
	if r.settings, err = plain.Parse(); err != nil {
		return nil, err
	}
	m := r.opened.Manifest
	if r.settings.Bound, err = vault.BoundOf(m.Bound); err != nil {
		return nil, err
	}
	r.out = recovered{Instance: m.Instance, From: m.Generation, Saved: m.Time, Signer: m.Signer, DryRun: o.dryRun, Mode: "sealed"}
	if o.clear {
		r.out.Mode = "clear"
	}
	return r, nil
}

// otherInstance says of shares that do not open data/recovery.age that they are
// another instance's, where they are. Cause WrongInstance; every other error it
// gives back as it is.
func (r *rescue) otherInstance(id recovery.Identity, err error) error {
	if id.Instance == "" || r.traces.Instance == "" || id.Instance == r.traces.Instance {
		return err
	}
	return fault.New(fault.WrongInstance, "these shares do not open the recovery file: they are of instance %s, this folder is of %s", id.Instance, r.traces.Instance).
		With("bring the shares of this instance; '--file' with the recovery file of the other one, and '--force', opens that one's here")
}

// otherSet says of shares that do not open a recovery file which set they are
// of, and which one data/ is, if anything there says so.
func otherSet(f *vault.Folder, id recovery.Identity, err error) error {
	if id.Set == nil || fault.Of(err) != fault.Usage {
		return err
	}
	c, _ := f.Scan(vault.BoundIgnored) // what is wrong with it is not the question
	public, _, _ := f.Recovery(c)
	if public == nil || public.Set() == *id.Set {
		return fault.New(fault.Usage, "these shares, of the set %s, do not open the recovery file", id.Set.Short()).With(fault.HintFor(err))
	}
	return fault.New(fault.Usage, "these shares do not open the recovery file: they are of the set %s, and data/ of the set %s", id.Set.Short(), public.Set().Short()).
		With("bring shares of the set that it was encrypted to; '--file' with recovery.age of a backup from the time of the others")
}

// trusted is the signer that is known from outside of the file.
func (a *app) trusted(ctx context.Context, o recoverOptions, id recovery.Identity, opened *recovery.Opened) (recovery.Signer, error) {
	if o.signer != "" {
		signer, err := recovery.ParseSigner(o.signer)
		if err != nil {
			return signer, fault.Wrap(fault.Usage, err, "--signer")
		}
		if id.Signer != nil && !id.Signer.Is(signer) {
			return signer, fault.New(fault.Usage, "--signer is another one than the identity file names")
		}
		return signer, nil
	}
	if id.Signer != nil {
		return *id.Signer, nil
	}
	if !a.attended() {
		return recovery.Signer{}, fault.New(fault.Usage, "the identity file does not say whose signature the recovery file must bear").
			With("give the signer that 'ssovault recovery init' printed: --signer ABCD-…")
	}
	q, err := a.questions(ctx)
	if err != nil {
		return recovery.Signer{}, err
	}
	defer q.close()
	return q.signer(opened)
}

// maxSigners is how often a signer may be typed.
const maxSigners = 3

// signer asks whose signature the file must bear. It does not show whose the file
// says it is: that could be copied from the screen, and whoever wrote the file
// could write it.
func (q *questions) signer(opened *recovery.Opened) (recovery.Signer, error) {
	q.say("Whose signature must the recovery file bear? 'ssovault recovery init' printed the signer then.")
	for n := 1; ; n++ {
		answer, err := q.ask("Type the signer that you have kept", "")
		if err != nil {
			return recovery.Signer{}, err
		}
		signer, err := recovery.ParseSigner(answer)
		if n == maxSigners || err == nil && opened.Signer.Is(signer) {
			return signer, fault.Wrap(fault.Usage, err, "the signer")
		}
		if err == nil {
			err = errors.New("the recovery file is signed by somebody else, unless a letter is wrong")
		}
		q.say("  %v", err)
	}
}

// compare holds what was opened against the folder.
func (r *rescue) compare(a *app, o recoverOptions, id recovery.Identity) error {
	m := r.opened.Manifest
	for _, other := range []struct{ of, instance string }{{"this folder is", r.traces.Instance}, {"the identity or the shares are", id.Instance}} {
		if other.instance != "" && other.instance != m.Instance && !o.force {
			return fault.New(fault.WrongInstance, "the recovery file is of instance %s, %s of %s", m.Instance, other.of, other.instance).
				With("take the recovery file of this instance; --force opens the other one's here")
		}
	}
	warn := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		r.out.Warnings = append(r.out.Warnings, text)
		a.warn(text)
	}
	newest := r.traces.Newest
	switch {
	case newest.Generation == 0 || newest.Instance != m.Instance:
	case m.Generation > 0 && newest.Generation > m.Generation, newest.Time.After(m.Time):
		warn("the sealed files in data/ are newer (generation %d, %s) than the recovery file (%d, %s): what was changed since is lost",
			newest.Generation, newest.Time.Format(time.RFC3339), m.Generation, m.Time.Format(time.RFC3339))
	case newest.Generation == m.Generation && newest.SaveID != m.SaveID:
		warn("the sealed files in data/ are of another save of generation %d than the recovery file", m.Generation)
	}
	var err error
	if r.out.Missing, err = r.folder.CheckBound(r.settings.Bound); err != nil {
		e := &fault.Error{Cause: fault.Of(err), Err: err}
		return e.With("put the file back that the settings vouch for, from a backup; or take this one away, go on, and take a new one in with 'ssovault set'")
	}
	for _, name := range r.out.Missing {
		warn("data/%s is missing: the service does not start before it is there (16)", name)
	}
	return nil
}
