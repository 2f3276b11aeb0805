package main

import (
	"path/filepath"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/vault"
)

// foreignPIN refuses to try the PIN of the present token on the one that a
// backup names: after a migration BASE/sks.pin is the new token's, and each
// refusal brings a role nearer to its lock. A source that was named for this
// call is its own answer. Cause PINUnavailable.
func (a *app) foreignPIN(f *vault.Folder, present *vault.SKS, archive vault.SKS) error {
	source := archive.PIN
	if a.pinSource != "" {
		var err error
		if source, err = pin.ParseSource(a.pinSource); err != nil {
			return fault.Wrap(fault.Usage, err, "--pin-source")
		}
	}
	if present == nil || present.Serial == archive.Serial || present.PIN != pin.Default || source != pin.Default {
		return nil
	}
	kept, err := f.KeptPINs()
	if err != nil {
		return err
	}
	advice := "put its own PIN into " + f.PINFile() + ", or name the file that holds it: --pin-source file:PATH"
	if len(kept) > 0 {
		advice += " (kept: " + strings.Join(kept, ", ") + ")"
	}
	return fault.New(fault.PINUnavailable, "%s holds the PIN of the token %s (serial %s); no login was tried with it to the token %s (serial %s)",
		filepath.Base(f.PINFile()), oneLine(present.Label), present.Serial, oneLine(archive.Label), archive.Serial).With(advice)
}
