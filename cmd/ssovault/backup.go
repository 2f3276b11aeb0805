package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"ssovault/internal/backup"
	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

func (a *app) backupCommand() *cobra.Command {
	var o struct {
		to         []string
		passphrase passphrase
		plaintext  bool
		json       bool
	}
	c := &cobra.Command{
		Use:   "backup [FILE]",
		Short: "Back up data/ into one archive, without PIN or HSM",
		Long: `Backup writes one archive (tar in zstd, with a manifest first) of everything in
data/: one whole save, and whatever else lies there. It needs neither PIN nor HSM
and may run beside the service. It prints the name of the archive, which is
BASE/backups/ssovault-INSTANCE-gGENERATION-YYYYMMDD-HHMMSS.tar.zst unless FILE is
given; nothing is ever overwritten.

The sealed files stay sealed: the archive is of use only together with the key in
the HSM, which the manifest names. A folder in the clear, or one whose key store has
no password, is backed up only encrypted (--encrypt-to, --passphrase) or with
--plaintext.`,
		Example: `  ssovault backup
  ssovault backup --encrypt-to age1… /mnt/nas/sso.tar.zst.age
  ssovault backup --passphrase-source file:/root/backup.pass`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) > 0 && args[0] == "-" {
				return fault.New(fault.Usage, "an archive is written beside its name and renamed when it is whole: give a file, not -")
			}
			to, err := recipients(ctx, a, o.to, &o.passphrase)
			if err != nil {
				return err
			}
			f, err := a.open(ctx, vault.Read)
			if err != nil {
				return err
			}
			f.Close() // each attempt takes the lock itself, for as long as it needs it
			if len(args) > 0 {
				if err := mayWrite(f, args[0]); err != nil {
					return err
				}
			}
			saveMemory()
			report, done := a.progress("backup")
			creation := backup.Creation{
				Layout: f.Layout, To: to, Plaintext: o.plaintext, Now: a.now, Report: report,
				Take: func() (*vault.Snapshot, error) { return a.snapshot(ctx, f) },
			}
			if len(args) > 0 {
				creation.Path = args[0]
			}
			made, err := backup.Create(ctx, creation)
			done()
			if err != nil {
				return err
			}
			for _, name := range made.Skipped {
				a.warn("data/" + name + " is a socket or a pipe and is not in the backup")
			}
			a.warnRecovery(made.Recovery, "; any 'ssovault set' writes it anew, then back up again")
			if made.Unregistered != nil {
				a.warn(unregistered(made.Unregistered))
			}
			a.log.Info().Str("command", a.command).Str("file", made.Path).Int64("size", made.Size).Bool("encrypted", made.Encrypted).
				Str("instance", made.Manifest.Instance).Uint64("generation", made.Manifest.Generation).Str("save_id", made.Manifest.SaveID).
				Msg("backup made")
			if o.json {
				return printJSON(a.out, made)
			}
			_, err = fmt.Fprintln(a.out, made.Path)
			return err
		},
	}
	f := c.Flags()
	f.StringArrayVar(&o.to, "encrypt-to", nil, "encrypt to this age `recipient` (age1…); may be given several times")
	o.passphrase.flags(c, "encrypt with a passphrase")
	f.BoolVar(&o.plaintext, "plaintext", false, "back up secrets that nothing else protects as they are")
	f.BoolVar(&o.json, "json", false, "print JSON, with the manifest")
	for _, sub := range []*cobra.Command{a.backupListCommand(), a.backupLsCommand(), a.backupVerifyCommand(), a.backupDiffCommand(), a.backupPruneCommand(), a.backupDrillCommand()} {
		withExitStatus(sub)
		c.AddCommand(sub)
	}
	return c
}

func unregistered(why error) string {
	return "'ssovault key retire' does not know of this backup: " + why.Error()
}

// warnRecovery says that nobody can open a backup without the HSM although
// somebody should.
func (a *app) warnRecovery(state vault.RecoveryState, advice string) {
	what := map[vault.RecoveryState]string{
		vault.RecoveryMissing: "is missing", vault.RecoveryOther: "is damaged or not of this save",
	}[state]
	if what != "" {
		a.warn("data/" + vault.RecoveryFile + " in the backup " + what + ": without the HSM nobody can open these settings from it" + advice)
	}
}

// snapshot takes one under the shared lock.
func (a *app) snapshot(ctx context.Context, f *vault.Folder) (*vault.Snapshot, error) {
	if err := f.Lock(ctx, vault.Read, a.lockWait); err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Snapshot()
}

// recipients are those who can open a new archive.
func recipients(ctx context.Context, a *app, to []string, p *passphrase) (r backup.Recipients, err error) {
	if len(to) > 0 && p.given() {
		return r, fault.New(fault.Usage, "--encrypt-to and --passphrase exclude each other")
	}
	for _, one := range to {
		if err := r.Add(one); err != nil {
			return r, err
		}
	}
	if !p.given() {
		return r, nil
	}
	v, err := p.read(ctx, a, "Passphrase of the backup", true)
	if err != nil {
		return r, err
	}
	defer v.Wipe()
	return r, r.AddPassphrase(v)
}
