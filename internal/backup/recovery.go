package backup

import (
	"slices"

	"ssovault/internal/vault"
)

// Recovery says how the recovery file of a backup stands beside its settings:
// one that was damaged before it was backed up is whole in the archive, and
// opens nothing. The Contents are what the archive holds. Beside settings in the
// clear whose recovery does not read, no file fits.
func (m Manifest) Recovery(c *vault.Contents) vault.RecoveryState {
	found := ""
	if i := slices.IndexFunc(m.Entries, func(e Entry) bool { return e.Name == vault.RecoveryFile && !e.Folder }); i >= 0 {
		found = m.Entries[i].SHA256
	}
	_, state, err := c.Recovery(found)
	if err != nil {
		return vault.RecoveryOther
	}
	return state
}
