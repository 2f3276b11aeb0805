package backup

import (
	"fmt"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/vault"
)

// WayIn decides how the token is reached for an archive's files. An archive
// may come from anywhere; it must not choose the code that runs (the library,
// a PIN command) or where the PIN goes (the token, the role, the source).
type WayIn struct {
	// Present is the configuration of this folder, nil when it has none.
	Present *vault.SKS
	// Accept takes the archive's own.
	Accept bool
	// Ask asks a person for library and PIN source. Nil: nobody is there.
	Ask func(archive vault.SKS) (library string, source pin.Source, err error)
}

// Choose gives the archive's sks.properties with the way in that holds here,
// and says when that differs from the archive's. Cause Usage when nothing
// says how.
func (w WayIn) Choose(archive vault.SKS) (chosen vault.SKS, notes []string, err error) {
	switch {
	case w.Accept:
		return archive, nil, nil
	case w.Present != nil && w.Present.Serial == archive.Serial:
		chosen = archive.ReachedAs(*w.Present)
		refuses := archive
		refuses.RefuseRollback = chosen.RefuseRollback
		if refuses.RefuseRollback != archive.RefuseRollback {
			notes = append(notes, "rollback=refuse stays as it is here ('--accept-sks' takes the backup's)")
		}
		if !refuses.SameWayIn(*w.Present) {
			notes = append(notes, fmt.Sprintf("the backup would reach the token by %s, PIN from %s; %s and %s stay as they are here ('--accept-sks' takes the backup's)",
				archive.Library, archive.PIN, w.Present.Library, w.Present.PIN))
		}
		return chosen, notes, nil
	case w.Ask != nil:
		chosen = archive
		chosen.Library, chosen.PIN, err = w.Ask(archive)
		return chosen, nil, err
	}
	why := "this folder is not configured"
	if w.Present != nil {
		why = fmt.Sprintf("this folder uses the token %s (serial %s)", w.Present.Label, w.Present.Serial)
	}
	return vault.SKS{}, nil, fault.New(fault.Usage, "the backup needs the token %s (serial %s), library %s, PIN from %s; %s, and a backup must not choose the code that runs or where the PIN goes",
		archive.Label, archive.Serial, archive.Library, archive.PIN, why).
		With("if this is what you expect, say '--accept-sks', or run it on a terminal to be asked")
}
