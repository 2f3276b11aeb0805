package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// rekeyReport is what rotate and migrate print. Its JSON names are relied on
// by scripts.
type rekeyReport struct {
	DryRun     bool   `json:"dry_run,omitempty"`
	Instance   string `json:"instance"`
	Generation uint64 `json:"generation,omitempty"`
	SaveID     string `json:"save_id,omitempty"`
	// From is nil when the settings lay in the clear.
	From *keyPlace `json:"from,omitempty"`
	To   keyPlace  `json:"to"`
	// Remembers tells whether the token recognises an older state of the files.
	Remembers bool   `json:"remembers"`
	PIN       string `json:"pin"` // where the service gets it from
	KeptPIN   string `json:"kept_pin,omitempty"`
}

// keyPlace is a key and the token that holds it.
type keyPlace struct {
	Label       string `json:"label"`
	ID          string `json:"id,omitempty"` // not known before the key is made
	TokenLabel  string `json:"token_label"`
	TokenSerial string `json:"token_serial"`
}

func (k keyPlace) String() string {
	id := ""
	if k.ID != "" {
		id = " (id " + k.ID + ")"
	}
	return fmt.Sprintf("%q%s in the token %s (serial %s)", k.Label, id, oneLine(k.TokenLabel), oneLine(k.TokenSerial))
}

// placeOf is the key that a sealed configuration names.
func placeOf(c *vault.Contents) *keyPlace {
	if c.Mode != vault.ModeSealed {
		return nil
	}
	return &keyPlace{c.SKS.KeyLabel, c.SKS.KeyID.String(), c.SKS.Label, c.SKS.Serial}
}

// print says it in the words of the command.
func (r rekeyReport) print(w io.Writer, done, would string) error {
	if r.DryRun {
		_, err := fmt.Fprintf(w, "%s: instance %s\n  now  %s\n  then %s\nNothing was changed.\n", would, r.Instance, r.from(), r.To)
		return err
	}
	_, err := fmt.Fprintf(w, "%s: instance %s, generation %d, PIN from %s\n  new key %s\n", done, r.Instance, r.Generation, oneLine(r.PIN), r.To)
	if r.From != nil {
		at := ""
		if r.From.TokenSerial != r.To.TokenSerial {
			at = " --token " + r.From.TokenSerial
		}
		_, err = fmt.Fprintf(w, "  old key %s\nThe old key stays: backups made until now need it. 'ssovault key retire%s' removes it when nothing does.\n", r.From, at)
	}
	if r.KeptPIN != "" {
		_, err = fmt.Fprintln(w, keptPINText(r.KeptPIN))
	}
	if !r.Remembers {
		_, err = fmt.Fprintln(w, "This token cannot remember the generation: a rollback of the files will not be detected.")
	}
	return err
}

func (r rekeyReport) from() string {
	if r.From == nil {
		return "in the clear"
	}
	return r.From.String()
}

// canMake looks, without a login, whether a token makes AES keys and uses them
// as it must. No token of ours may be open meanwhile: see sks.Access.Serialise.
func (a *app) canMake(ctx context.Context, library string, t sks.Timeouts, serial, label string) error {
	tokens, err := a.dialer().Tokens(ctx, library, t)
	if err != nil {
		return fault.Wrap(fault.Unreachable, err, "list the tokens that %s sees", library)
	}
	for _, name := range []string{serial, label} {
		token, err := sks.FindToken(tokens, name)
		if err == nil {
			return offers(token)
		}
	}
	return nil // the login says what it finds instead
}

// offers answers NoGCM for a token that cannot hold a sealing key.
func offers(t sks.Token) error {
	switch {
	case !t.GCM:
		return fault.New(fault.NoGCM, "the token %s does not offer AES/GCM", t)
	case !t.KeyGen:
		return fault.New(fault.NoGCM, "the token %s does not make AES keys (CKM_AES_KEY_GEN)", t)
	}
	return nil
}

// rekey carries a rekeying out, or says what it would do.
func (a *app) rekey(ctx context.Context, f *vault.Folder, r vault.Rekeying, store sks.Store, token sks.Token, dryRun bool) (rekeyReport, error) {
	report := rekeyReport{
		DryRun: dryRun, Instance: r.Settings.InstanceNumber(), From: placeOf(r.Contents), PIN: r.SKS.PIN.String(),
		To: keyPlace{TokenLabel: token.Label, TokenSerial: token.Serial},
	}
	if dryRun {
		var err error
		report.To.Label, err = f.Would(ctx, r, store, token)
		return report, err
	}
	out, err := f.Rekey(ctx, r, store, token)
	if errors.Is(err, vault.ErrMade) {
		return report, err
	}
	if err != nil && f.Holds(out.Outcome) {
		return report, fault.Wrap(fault.Unclassified, err, "the settings are saved under the new key, but")
	}
	if err != nil {
		return report, fault.Wrap(fault.Unclassified, err, "the settings are as they were")
	}
	if out.NoCertificate != nil {
		a.warn("no certificate lies beside the new key: " + out.NoCertificate.Error())
	}
	report.Generation, report.SaveID, report.Remembers, report.KeptPIN = out.Mark.Generation, out.Mark.SaveID, out.Remembers, out.KeptPIN
	report.To.Label, report.To.ID = out.SKS.KeyLabel, out.SKS.KeyID.String()
	a.log.Info().Str("command", a.command).Uint64("generation", out.Mark.Generation).Str("save_id", out.Mark.SaveID).
		Str("token", token.Label).Str("serial", token.Serial).Str("key_id", report.To.ID).Msg("sealed under a new key")
	return report, nil
}

// keptPINText says where the PIN lies that another one took the place of.
func keptPINText(path string) string {
	return fmt.Sprintf("The PIN that was in sks.pin is kept in %s; delete it when nothing needs that token.", path)
}
