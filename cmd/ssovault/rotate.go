package main

import (
	"context"

	"github.com/spf13/cobra"

	"ssovault/internal/vault"
)

func (a *app) rotateCommand() *cobra.Command {
	var dryRun, asJSON, replicable bool
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Seal the settings under a new key in the same token",
		Long: `Rotate unseals the settings with the present key, makes a new one in the same token,
and saves everything under it in one step, which is opened before it counts. Settings,
instance number, secrets, PIN source and everything else stay as they are. The service
may run; it is not touched.

The key before stays in the token, since backups made until now need it; 'ssovault key
retire' removes it when nothing does. Each run makes another key.`,
		Example: `  ssovault rotate --dry-run
  ssovault rotate`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := a.rotate(cmd.Context(), dryRun, replicable)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, report)
			}
			return report.print(a.out, "rotated", "would rotate")
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "try login, AES/GCM and whether the token makes keys; change nothing")
	c.Flags().BoolVar(&replicable, "replicable", false, replicableHelp)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// replicableHelp is what --replicable of a new sealing key means.
const replicableHelp = "let the new key move to tokens that this one's security officer trusts ('hsm identity trust', 'hsm replicate')"

func (a *app) rotate(ctx context.Context, dryRun, replicable bool) (rekeyReport, error) {
	need := access{use: vault.Change, check: (*vault.Contents).CanRotate}
	if dryRun {
		need.use, need.tellNothing = vault.Look, true
		need.check = func(c *vault.Contents) error {
			if err := c.CanRotate(); err != nil {
				return err
			}
			return a.canMake(ctx, c.SKS.Library, c.SKS.Timeouts, c.SKS.Serial, c.SKS.Label)
		}
	}
	s, err := a.openSettings(ctx, need)
	if err != nil {
		return rekeyReport{}, err
	}
	defer s.close()
	r, err := s.rekeying(a)
	if err != nil {
		return rekeyReport{}, err
	}
	r.SKS, r.Replicable = s.contents.SKS, replicable
	if dryRun {
		key, err := s.store.Key(ctx, s.contents.SKS.KeyID)
		if err == nil {
			_, err = key.Convention(ctx) // seals and opens
		}
		if err != nil {
			return rekeyReport{}, err
		}
	}
	return a.rekey(ctx, s.folder, r, s.store, s.token, dryRun)
}

// rekeying is what an open session gives to a new key.
func (s *session) rekeying(a *app) (vault.Rekeying, error) {
	set, err := s.settings()
	return vault.Rekeying{Contents: s.contents, Settings: set, Newest: s.rollback.Remembered.Generation, Now: a.now()}, err
}
