package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/recovery"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// recoverOptions are the flags of recovery open.
type recoverOptions struct {
	identity, signer, file            string
	shares                            []string
	token                             destinationFlags
	clear, dryRun, force, yes, asJSON bool
}

// recovered is what recovery open prints as JSON.
type recovered struct {
	Instance string `json:"instance"`
	// From is the save that the recovery file was of.
	From       uint64    `json:"from_generation"`
	Saved      time.Time `json:"saved"`
	Signer     string    `json:"signer"`
	DryRun     bool      `json:"dry_run,omitempty"`
	Mode       string    `json:"mode"`
	Generation uint64    `json:"generation,omitempty"`
	SaveID     string    `json:"save_id,omitempty"`
	Token      string    `json:"token_label,omitempty"`
	Serial     string    `json:"token_serial,omitempty"`
	KeyLabel   string    `json:"key_label,omitempty"`
	KeyID      string    `json:"key_id,omitempty"`
	Kept       string    `json:"kept,omitempty"`
	KeptPIN    string    `json:"kept_pin,omitempty"`
	Missing    []string  `json:"missing,omitempty"`
	Warnings   []string  `json:"warnings,omitempty"`
}

func (a *app) recoveryOpenCommand() *cobra.Command {
	var o recoverOptions
	c := &cobra.Command{
		Use:   "open --identity FILE | --share FILE...",
		Short: "Bring the settings back without the old HSM, under a new key",
		Long: `Open decrypts data/recovery.age (or --file) with the identity or the shares, verifies
whose it is, makes a new key in a token, and saves the settings under it. The old HSM
is not needed; the files that were in data/ are kept in data.before-recovery-….

The signature must be that of a signer who is known from outside the file: shares and
generated identities hold it, an identity of your own has it in a comment line, or it
is given by --signer. Otherwise it is asked for on the terminal.

--share - takes shares as lines from standard input, or typed on a terminal. The PIN
of the new token comes from --to-pin-source, or is asked for and kept in BASE/sks.pin.`,
		Example: `  ssovault recovery open --dry-run --identity /media/usb/identity.txt --token new --to-pin-source file:/root/new.pin
  ssovault recovery open --share a.txt --share c.txt --token new
  ssovault recovery open --share - --in-the-clear      # no HSM at hand`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(a); err != nil {
				return err
			}
			return a.bringBack(cmd.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.identity, "identity", "", "age identity `file`")
	f.StringArrayVar(&o.shares, "share", nil, "`file` that holds a share, or - for shares that are typed or piped; as often as there are shares")
	f.StringVar(&o.signer, "signer", "", "whose `signature` the recovery file must bear, where the identity file does not say")
	f.StringVar(&o.file, "file", "", "the recovery `file` (default data/recovery.age)")
	o.token.register(f, "token")
	f.BoolVar(&o.clear, "in-the-clear", false, "make no key: keep the settings in the clear")
	f.BoolVar(&o.dryRun, "dry-run", false, "verify everything, log in to the token, and change nothing")
	f.BoolVar(&o.force, "force", false, "open another instance's recovery file over this one")
	f.BoolVar(&o.yes, "yes", false, "do not ask before the settings are replaced")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// check makes sure that the flags fit together. Cause Usage.
func (o *recoverOptions) check(a *app) error {
	typed := 0
	for _, s := range o.shares {
		if s == "-" {
			typed++
		}
	}
	switch {
	case (o.identity == "") == (len(o.shares) == 0):
		return fault.New(fault.Usage, "recovery open takes --identity FILE, or --share for each share")
	case typed > 1:
		return fault.New(fault.Usage, "--share - is given once: it takes all shares that are typed or piped")
	case len(o.shares) > 0 && o.signer != "":
		return fault.New(fault.Usage, "--signer is for an identity: shares hold the signer themselves")
	case a.pinSource != "":
		return fault.New(fault.Usage, "--pin-source stands in for the PIN of the present token, and that one is not needed").With("the new token's is named by --to-pin-source")
	case o.clear && (o.token.token != "" || o.token.library != "" || o.token.source != ""):
		return fault.New(fault.Usage, "--in-the-clear makes no key, so no token is named")
	case !o.yes && !o.dryRun && !a.attended():
		return fault.New(fault.Usage, "nobody is there to be asked whether the settings are to be replaced").With("say --yes, or try --dry-run first")
	}
	return o.token.check()
}

// bringBack opens a recovery file and saves what it holds. Nothing is locked
// while somebody thinks; before the save everything is looked at again.
func (a *app) bringBack(ctx context.Context, o recoverOptions) error {
	if err := a.hidden.Hide(o.token.variables()...); err != nil {
		return err
	}
	// Read before ssovault becomes the owner of the folder: they may be root's.
	id, err := a.secondKey(ctx, o)
	if err != nil {
		return err
	}
	var file []byte
	if o.file != "" {
		if file, err = a.readInput(ctx, o.file, recovery.MaxFile); err != nil {
			return fault.Wrap(fault.Usage, err, "read the recovery file")
		}
	}
	r, err := a.openRescue(ctx, o, id, file)
	if err != nil {
		return err
	}
	defer r.opened.Wipe()
	if err := r.compare(a, o, id); err != nil {
		return err
	}
	var d destination
	if !o.clear {
		if d, err = a.destination(ctx, r.folder, r.traces.SKS, o.token, anyToken); err != nil {
			return err
		}
		defer d.pin.Wipe()
	}
	if o.dryRun {
		err = a.tryRescue(ctx, o, r, d)
	} else {
		err = a.carryOut(ctx, o, r, d)
	}
	if err != nil {
		return err
	}
	return a.printRecovered(r.out, o)
}

// anyToken: what held the settings before is gone, or left.
func anyToken(sks.Token) error { return nil }

// tryRescue logs in and out again, which is all that a dry run can try.
func (a *app) tryRescue(ctx context.Context, o recoverOptions, r *rescue, d destination) error {
	if o.clear {
		return nil
	}
	store, token, err := a.loginTo(ctx, r.folder, d.sks, d.source, d.pin)
	if err != nil {
		return err
	}
	r.out.Token, r.out.Serial = token.Label, token.Serial
	return fault.Wrap(fault.Unreachable, store.Close(), "leave the token %s", token)
}

// carryOut asks, and makes the one save.
func (a *app) carryOut(ctx context.Context, o recoverOptions, r *rescue, d destination) (err error) {
	where := "under a new key in the token " + d.token.String()
	if o.clear {
		where = "in the clear"
	}
	m := r.opened.Manifest
	if err := a.confirm(ctx, o.yes, fmt.Sprintf("Settings of instance %s, generation %d, saved %s. Save them %s", m.Instance, m.Generation, m.Time.Format(time.RFC3339), where)); err != nil {
		return err
	}
	f, err := a.openAfresh(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	if !f.Traces().Same(r.traces) {
		return fault.New(fault.Busy, "somebody else changed the folder meanwhile; nothing was saved").With("start again")
	}
	if running, err := f.ServiceRuns(); err != nil || running && o.clear {
		if err == nil {
			err = fault.New(fault.Busy, "the service that 'ssovault run' started is running").With("stop the service first")
		}
		return err
	} else if running {
		a.warn("the service runs with the settings of before, until it is started again")
	}
	plan := vault.Plan{Settings: r.settings, Generation: max(m.Generation, r.traces.Newest.Generation), Now: a.now()}
	var store sks.Store
	var token sks.Token
	if !o.clear {
		if store, token, err = a.loginTo(ctx, f, d.sks, d.source, d.pin); err != nil {
			return err
		}
		defer store.Close() // what was asked of it is done and checked
		a.warn(newerInToken(ctx, store, token, m))
		plan.SKS, plan.PIN, plan.Replicable = &d.sks, d.stored(), o.token.replicable
		if plan.Leaf, err = f.Leaf(r.settings); err != nil {
			a.warn("no certificate lies beside the new key: " + err.Error())
		}
	}
	if err := f.CloseToOthers(); err != nil {
		return err
	}
	keptAt := a.now()
	defer func() {
		if err != nil { // nothing may have been replaced
			err = errors.Join(err, f.Unkeep(vault.BeforeRecovery, keptAt))
		}
	}()
	if r.out.Kept, err = f.KeepAside(vault.BeforeRecovery, keptAt); err != nil {
		return err
	}
	if suffix, ok := strings.CutPrefix(r.out.Kept, "data"); ok { // was kept with it: this says where
		if r.out.KeptPIN, err = f.KeepPIN(suffix); err != nil {
			return err
		}
	}
	done, err := f.Configure(ctx, plan, store, token)
	if err != nil {
		if now, scanErr := f.Scan(vault.BoundIgnored); scanErr == nil && now.Mode == vault.ModeSealed && now.Mark() == done.Mark {
			err = fault.Wrap(fault.Unclassified, err, "the settings are sealed and saved, but")
		}
		return err
	}
	if was := r.traces.SKS; r.out.KeptPIN != "" && was != nil && was.PIN == pin.Default && (o.clear || d.sks.PIN != pin.Default) {
		a.warn(unreadPIN(f))
	}
	if o.clear {
		a.warn("the settings now lie in the clear in " + f.Data(""))
	} else {
		r.out.Generation, r.out.SaveID = done.Mark.Generation, done.Mark.SaveID
		r.out.Token, r.out.Serial = token.Label, token.Serial
		r.out.KeyLabel, r.out.KeyID = done.SKS.KeyLabel, done.SKS.KeyID.String()
	}
	a.log.Info().Str("command", a.command).Str("instance", r.out.Instance).Uint64("from_generation", r.out.From).Uint64("generation", r.out.Generation).
		Str("save_id", r.out.SaveID).Str("token", r.out.Token).Str("serial", r.out.Serial).Str("key_id", r.out.KeyID).Str("kept", r.out.Kept).Msg("recovered")
	return nil
}

// newerInToken says so when a token remembers a newer save than the one that is
// brought back, or "".
func newerInToken(ctx context.Context, store sks.Store, token sks.Token, m recovery.Manifest) string {
	memory, ok := store.(sks.Rememberer)
	if !ok {
		return ""
	}
	mark, err := memory.Recall(ctx, m.Instance)
	if err != nil || mark.Generation <= m.Generation {
		return "" // the save that follows asks the same, and says what is the matter
	}
	return fmt.Sprintf("the token %s remembers generation %d, and the recovery file is of generation %d: what was changed since is lost", token, mark.Generation, m.Generation)
}

// printRecovered says what was done and what comes next.
func (a *app) printRecovered(r recovered, o recoverOptions) error {
	if o.asJSON {
		return printJSON(a.out, r)
	}
	say := func(format string, args ...any) { fmt.Fprintf(a.out, format+"\n", args...) }
	what := "recovered"
	if r.DryRun {
		what = "can be recovered"
	}
	say("%s: instance %s, generation %d, saved %s", what, r.Instance, r.From, r.Saved.Format(time.RFC3339))
	say("signed by: %s", r.Signer)
	switch {
	case r.DryRun && r.Token != "":
		say("the token %s (serial %s) lets this PIN in; nothing was changed", oneLine(r.Token), r.Serial)
	case r.DryRun:
		say("nothing was changed")
	case r.Mode == "sealed":
		say("sealed: generation %d, with the key %q in the token %s (serial %s)", r.Generation, r.KeyLabel, oneLine(r.Token), r.Serial)
	default:
		say("saved in the clear; 'ssovault -config' seals them")
	}
	if r.Kept != "" {
		say("kept: %s", r.Kept)
	}
	if r.KeptPIN != "" {
		say("%s", keptPINText(r.KeptPIN))
	}
	if !r.DryRun {
		say("Next: ssovault doctor. The identity was on this machine: 'ssovault recovery init' makes a new one.")
	}
	return nil
}
