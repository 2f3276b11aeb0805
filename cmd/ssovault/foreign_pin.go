package main

import (
	"context"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/vault"
)

// foreignPIN refuses to try the PIN of the present token on the one that a
// backup names: after a migration BASE/sks.pin is the new token's, and each
// refusal brings a role nearer to its lock. A source that was named for this
// call is its own answer. Cause PINUnavailable.
func (a *app) foreignPIN(f *vault.Folder, present *vault.SKS, archive vault.SKS) error {
	if a.pinSource != "" {
		var err error
		if archive.PIN, err = pin.ParseSource(a.pinSource); err != nil {
			return fault.Wrap(fault.Usage, err, "--pin-source")
		}
	}
	return f.ForeignPIN(present, archive, a.pins(f.Layout, f.Owner.UID))
}

// ownSource says of files that --pin-source has just opened why the service,
// which reads the source in sks.properties, would not: "" when it would, or when
// that cannot be known. present is the configuration before them. It logs in to
// nothing.
func (a *app) ownSource(ctx context.Context, f *vault.Folder, present *vault.SKS, s vault.SKS) string {
	if a.pinSource == "" {
		return ""
	}
	named, err := pin.ParseSource(a.pinSource)
	if err != nil || named == s.PIN || s.PIN.Attended() || s.PIN.Kind == pin.KindFD {
		return ""
	}
	pins, err := f.PresentPINs(a.pins(f.Layout, f.Owner.UID))
	if err == nil {
		err = f.ForeignPIN(present, s, pins)
	}
	if err == nil {
		err = f.RefusedBefore(s, pins)
	}
	if err == nil {
		err = sameSecret(ctx, pins, s.PIN, named)
	}
	if err == nil {
		return ""
	}
	return "the service itself, whose source is " + oneLine(s.PIN.String()) + " (sks.properties), does not start: " + err.Error() +
		" (cause " + fault.Of(err).Letter() + "); " + fault.HintFor(err)
}

// sameSecret holds what the service will read against what --pin-source gave,
// where that can be read twice.
func sameSecret(ctx context.Context, pins pin.Reader, own, named pin.Source) error {
	value, err := pins.Read(ctx, own, "")
	if err != nil {
		return err
	}
	defer value.Wipe()
	if named.Kind == pin.KindPrompt || named.Kind == pin.KindFD {
		return nil
	}
	right, err := pins.Read(ctx, named, "")
	if err != nil {
		return nil // it has worked; what it says now is not the question
	}
	defer right.Wipe()
	if !value.Equal(right) {
		return fault.New(fault.PINUnavailable, "it holds another PIN than %s, which let ssovault in", named).
			With("put that PIN where sks.pin in data/sks.properties says, or name another source there")
	}
	return nil
}
