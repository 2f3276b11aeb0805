// Package vault is the data folder of an install: which state it is in, who
// may use it now, how it is read, and the one journalled save that changes it.
package vault

import "path/filepath"

// Names in BASE/data.
const (
	SKSFile       = "sks.properties"
	InstanceEncp  = "instance.encp"
	SharedEncp    = "shared.encp"
	InstanceClear = "instance.properties"
	SharedClear   = "shared.properties"
	MetadataFile  = "idp_metadata.xml"
	// KeyStoreFile is the key store's name whether it is JKS or PKCS#12; PEM
	// files become KeyStorePEM.
	KeyStoreFile = "sso_keystore.jks"
	KeyStorePEM  = "sso_keystore.pem"
	// RecoveryFile holds the settings for whoever opens them without the HSM.
	RecoveryFile = "recovery.age"

	journalFile = ".journal"
)

// Layout names the places of an install folder.
type Layout struct{ Base string }

// Data is a file in BASE/data, or that folder itself for "".
func (l Layout) Data(name string) string { return filepath.Join(l.Base, "data", name) }

// Run is a file in BASE/run: state that is never backed up.
func (l Layout) Run(name string) string { return filepath.Join(l.Base, "run", name) }

// Log is the log file.
func (l Layout) Log() string { return filepath.Join(l.Base, "logs", "ssovault.log") }

// PINFile is where ssovault keeps the PIN for the source "file": outside
// data/, so that no backup of data/ holds it.
func (l Layout) PINFile() string { return filepath.Join(l.Base, pinEntry) }

// Running is locked, shared, by the command that run started, for as long as
// it lives.
func (l Layout) Running() string { return l.Run(".running") }

// LastFailure is what a start that failed leaves for whoever looks next.
func (l Layout) LastFailure() string { return l.Run("last-failure.json") }

func (l Layout) lock() string       { return l.Run(".lock") }
func (l Layout) refused() string    { return l.Run("pin-refused") }
func (l Layout) pendingKey() string { return filepath.Join(l.Base, pendingEntry) }
func (l Layout) journal() string    { return l.Data(journalFile) }
