// Package wizard is the dialog that configures a connector: one list of
// questions, put by a terminal, a pipe or a file of answers. Until the last
// answer it only reads; then it makes one save.
package wizard

import (
	"context"
	"io"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// Wizard is what the dialog needs of the world. A Wizard may be used for one
// dialog after another, not for two at once.
type Wizard struct {
	Base     string // the install folder; it must exist
	LockWait time.Duration
	Dialer   sks.Dialer
	// PINs reads the sources of secrets. Where the stored source is prompt and
	// a person answers the dialog, the dialog asks instead of PINs.Prompt.
	PINs     pin.Reader
	Now      func() time.Time
	Random   io.Reader // crypto/rand's Reader
	Hostname string    // of this machine: a default, if it is a valid name
	Vendors  []sks.Vendor

	// NewKey makes a new key although type and token stay.
	NewKey bool
	// Replicable makes a new key one that may move to a token that this one's
	// security officer trusts.
	Replicable bool
	// DisableSKS keeps the settings in the clear and asks nothing about SKS.
	DisableSKS bool
	// TryPIN logs in with the stored PIN although it was refused before.
	TryPIN bool
	// CheckOnly judges the answers as those of a first configuration, without
	// a login, and saves nothing.
	CheckOnly bool
	// Unattended: nobody answers, so the dialog never asks for a stored PIN.
	Unattended bool
}

// Result is what a dialog came to.
type Result struct {
	// Checked: nothing was saved, as CheckOnly wants it.
	Checked bool
	Mode    vault.Mode
	Mark    sks.Mark
	// SKS and Token are set when the settings are sealed; NewKey tells whether
	// a key was made.
	SKS    *vault.SKS
	Token  sks.Token
	NewKey bool
	// Kept is the folder, in the install folder, that holds what could not be
	// opened; "" when there is none.
	Kept string
	// KeptPIN is the file with the PIN of a token that was left, or "".
	KeptPIN string
}

// Run asks all questions and saves. On every error the folder and the token
// are as they were, unless the error says that the save holds; the causes are
// those of package fault.
func (w *Wizard) Run(ctx context.Context, front Front) (Result, error) {
	d := &dialog{Wizard: w, ctx: ctx, front: front}
	defer d.wipe()
	for _, step := range []func() error{d.readPresent, d.askSettings, d.askSKS} {
		if err := step(); err != nil {
			return Result{}, err
		}
	}
	if ctx.Err() != nil {
		return Result{}, interrupted(ctx.Err())
	}
	if w.CheckOnly {
		d.say("All answers are valid. Nothing was changed.")
		return Result{Checked: true}, nil
	}
	return d.save()
}

// dialog is one run, filled from question to question.
type dialog struct {
	*Wizard
	ctx   context.Context
	front Front

	was    present
	folder *vault.Folder // not locked while somebody thinks

	settings vault.Settings // what will be saved
	keyStore keyStoreAnswer
	metadata []byte

	sks   *storage // nil: in the clear
	renew bool     // the generated secrets
}

func (d *dialog) wipe() {
	d.was.pin.Wipe()
	d.keyStore.password.Wipe()
	d.keyStore.keyPassword.Wipe()
	if d.sks != nil {
		d.sks.pin.Wipe()
	}
}

func (d *dialog) layout() vault.Layout { return vault.Layout{Base: d.Base} }

// interrupted is how a dialog ends that was broken off, whatever that made of
// the call that was under way.
func interrupted(why error) error {
	return &fault.Error{Op: "the dialog", Cause: fault.Interrupted, Err: why}
}

// emptySettings are those of a folder where nothing is configured.
func emptySettings() vault.Settings {
	return vault.Settings{Instance: new(properties.Set), Shared: new(properties.Set)}
}

// set gives the property file that a setting belongs to.
func set(s vault.Settings, f properties.File) *properties.Set {
	if f == properties.Shared {
		return s.Shared
	}
	return s.Instance
}

// secretOf takes an answer over as a secret.
func secretOf(answer string) secret.Value { return secret.New([]byte(answer)) }
