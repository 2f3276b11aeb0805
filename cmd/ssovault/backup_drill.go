package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ssovault/internal/backup"
	"ssovault/internal/fault"
	"ssovault/internal/launch"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

func (a *app) backupDrillCommand() *cobra.Command {
	var keys archiveKeys
	var acceptSKS, asJSON bool
	c := &cobra.Command{
		Use:   "drill [FILE]",
		Short: "Prove that a backup can be restored: read it whole and unseal it with the real key",
		Long: `Drill reads all of FILE, or of the newest in BASE/backups, checks every file, and
unseals the settings in it in memory, with the key in the HSM. It changes nothing.
It warns when the recovery file in it is missing, damaged or of another save, and when
the HSM remembers a newer save (rollback=refuse: no start before 'ssovault accept').

Library and PIN source are those of this folder; where it has none for the token
that the backup names, --accept-sks takes the backup's.`,
		Example: `  ssovault backup drill
  ssovault backup drill --identity key.txt /mnt/nas/sso.tar.zst.age`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := a.openArchive(cmd.Context(), args, &keys)
			if err != nil {
				return err
			}
			defer archive.close()
			v := archive.verified()
			token, err := a.drill(cmd.Context(), archive, acceptSKS, &v.Recovery)
			if err != nil {
				return fault.Wrap(fault.Unclassified, err, "%s", archive.path)
			}
			a.log.Info().Str("command", a.command).Str("file", archive.path).Msg("the backup opens")
			a.warnRecovery(v.Recovery, "")
			if asJSON {
				v.Opened = true
				return printJSON(a.out, v)
			}
			how := "in the clear"
			if archive.Manifest.Key != nil {
				how = fmt.Sprintf("opened with the key in the token %s (serial %s)", oneLine(token.Label), token.Serial)
			}
			_, err = fmt.Fprintf(a.out, "%s: can be restored, %s; %s\n", archive.path, how, describe(archive.Manifest))
			return err
		},
	}
	keys.flags(c)
	c.Flags().BoolVar(&acceptSKS, "accept-sks", false, "take library and PIN source from the backup")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// drill restores into memory and opens what is there. It also tells how the
// recovery file stands.
func (a *app) drill(ctx context.Context, archive *opened, acceptSKS bool, recovery *vault.RecoveryState) (token sks.Token, err error) {
	f, err := a.open(ctx, vault.Read)
	if err != nil {
		return token, err
	}
	_, present := backup.Present(f)
	f.Close() // the rest takes its time, and data/ is not touched
	c, release, err := a.unpack(ctx, archive, "drill")
	if err != nil {
		return token, err
	}
	defer func() { err = errors.Join(err, release()) }()
	*recovery = archive.Manifest.Recovery(c)
	plain := c.Clear
	if c.Mode == vault.ModeSealed {
		way := backup.WayIn{Present: present, Accept: acceptSKS}
		var notes []string
		if c.SKS, notes, err = way.Choose(c.SKS); err != nil {
			return token, err
		}
		for _, note := range notes {
			a.warn(note)
		}
		if err := a.foreignPIN(f, present, c.SKS); err != nil {
			return token, err
		}
		var r vault.Rollback
		plain, token, r, err = a.openCopy(ctx, f, c)
		if err != nil && fault.Of(err) != fault.RolledBack {
			plain.Wipe()
			return token, err
		}
		a.warnOlder(r, fault.Of(err) == fault.RolledBack)
	}
	defer plain.Wipe()
	_, err = plain.Parse()
	return token, err
}

// warnOlder foretells of a backup that can be restored what a start would say of
// it: most backups are older than what the token remembers.
func (a *app) warnOlder(r vault.Rollback, refused bool) {
	switch {
	case refused:
		a.warn(r.Warning() + "; once this is restored, the service does not start (27) before 'ssovault accept' makes it the newest")
	case r.Older:
		a.warn(r.Warning() + "; once this is restored, 'ssovault accept' makes it the newest")
	}
}

// unpack is the function unpack, with a progress bar.
func (a *app) unpack(ctx context.Context, archive *opened, what string) (*vault.Contents, func() error, error) {
	report, done := a.progress(what)
	defer done()
	return unpack(ctx, archive.Archive, report)
}

// unpack reads all of an archive, puts ssovault's own files into a folder in
// memory, which release removes, and judges them as restore does.
func unpack(ctx context.Context, archive *backup.Archive, report backup.Progress) (c *vault.Contents, release func() error, err error) {
	folder, err := launch.NewScratch()
	if err != nil {
		return nil, nil, err
	}
	release = folder.Close
	inside := folder.Path + "/data"
	if err = os.Mkdir(inside, 0o700); err == nil {
		c, err = archive.Own(ctx, inside, report)
	}
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return c, release, nil
}

// openCopy opens the sealed files of a copy with the key that its own
// sks.properties names, and holds them against what the token remembers. Cause
// RolledBack where a start would be refused for that; the copy is open then.
func (a *app) openCopy(ctx context.Context, f *vault.Folder, c *vault.Contents) (plain vault.Plain, token sks.Token, r vault.Rollback, err error) {
	if err = a.hideVariables(c.SKS); err != nil {
		return plain, token, r, err
	}
	store, token, err := a.connect(ctx, f, c.SKS)
	if err != nil {
		return plain, token, r, err
	}
	defer store.Close()
	a.warnReplaced(c.SKS, token)
	if plain, err = c.OpenCopy(ctx, store); err == nil {
		r, err = c.Rollback(ctx, store)
	}
	return plain, token, r, err
}
