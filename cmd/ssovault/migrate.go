package main

import (
	"context"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/vault"
)

// migrateOptions are the flags of migrate.
type migrateOptions struct {
	to                      destinationFlags
	toClear, dryRun, asJSON bool
}

func (a *app) migrateCommand() *cobra.Command {
	var o migrateOptions
	c := &cobra.Command{
		Use:   "migrate --to TOKEN | --to-clear",
		Short: "Seal the settings under a new key in another token, or in the first one",
		Long: `Migrate unseals the settings with the present key, makes a new one in the token TOKEN
(a label, a serial or a slot number), and saves everything under it in one step, which
is opened before it counts. Settings in the clear are sealed. Key and token before are
left as they are, since backups made until now need them; 'ssovault key retire --token'
removes that key when nothing does. --to-clear is -disableSKS; it goes with no other
flag of migrate, --json and --dry-run included.

The PIN of the new token comes from --to-pin-source (--pin-source is that of the present
one); without it, it is asked for on the terminal. The service gets it from
--service-pin-source: by default from the same source, or, when it was typed, from
BASE/sks.pin, where it is stored in the same save. Another PIN that was in that file is
kept beside it.

With --role cu the service logs in as a Crypto User, who can use the key but not make
one: --to-pin-source is then the PIN of the user (a Luna's Crypto Officer), and
--service-pin-source that of the Crypto User.`,
		Example: `  ssovault migrate --to hsm2 --dry-run
  ssovault migrate --to hsm2                     # asks for its PIN
  ssovault migrate --to 1234567 --library /usr/safenet/lunaclient/lib/libCryptoki2_64.so \
      --to-pin-source file:/run/secrets/hsm2.pin --service-pin-source credential:hsm.pin
  ssovault migrate --to-clear`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.toClear {
				return a.disableSKS(cmd.Context())
			}
			report, err := a.migrate(cmd.Context(), o)
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(a.out, report)
			}
			return report.print(a.out, "migrated", "would migrate")
		},
	}
	f := c.Flags()
	o.to.register(f, "to")
	f.BoolVar(&o.toClear, "to-clear", false, "keep the settings in the clear, as -disableSKS does")
	f.BoolVar(&o.dryRun, "dry-run", false, "open the settings and try the new token; change nothing")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// check refuses flags that do not go together.
func (o migrateOptions) check(cmd *cobra.Command) error {
	switch {
	case o.toClear:
		for _, name := range append([]string{"to", "dry-run", "json"}, destinationNames...) {
			if cmd.Flags().Changed(name) {
				return fault.New(fault.Usage, "--to-clear and --%s exclude each other", name)
			}
		}
		return nil
	case o.to.token == "":
		return fault.New(fault.Usage, "migrate needs --to TOKEN, or --to-clear").With("'ssovault -config' shows the tokens; 'ssovault migrate --help' shows examples")
	}
	return o.to.check()
}

// unreadPIN says that BASE/sks.pin stayed although no service reads it any more.
func unreadPIN(f *vault.Folder) string {
	return "nothing reads " + f.PINFile() + ", the PIN of the token before, any more; delete it when no backup needs that token"
}

func (a *app) migrate(ctx context.Context, o migrateOptions) (report rekeyReport, err error) {
	// Nothing is held while the new token is looked at and somebody types.
	use := vault.Change // finishes a save that was cut off
	if o.dryRun {
		use = vault.Look
	}
	f, err := a.open(ctx, use)
	if err != nil {
		return report, err
	}
	bound := vault.BoundMatch
	c, err := f.Scan(bound)
	if err == nil && c.Mode == vault.ModeClear {
		bound = vault.BoundPresent // from now on the settings vouch for what lies there
		c, err = f.Scan(bound)
	}
	f.Close()
	if err != nil {
		return report, err
	}
	if c.Mode == vault.ModeSealed && c.SKS.PIN == pin.Default && o.to.source == pin.Default.String() {
		return report, fault.New(fault.Usage, "--to-pin-source file: %s holds the PIN of the present token, and would only cost a try", f.PINFile()).
			With("name another file (file:PATH), or leave --to-pin-source out to be asked; --service-pin-source file stores it there")
	}
	now, service, err := o.to.sources()
	if err != nil {
		return report, err
	}
	if err := a.hideSources(c, now, service); err != nil {
		return report, err
	}
	var present *vault.SKS
	if c.Mode == vault.ModeSealed {
		present = &c.SKS
	}
	d, err := a.destination(ctx, f, present, o.to, c.CanMigrate)
	if err != nil {
		return report, err
	}
	defer d.pin.Wipe()

	s, err := a.openSettings(ctx, access{use: use, bound: bound, tellNothing: o.dryRun, check: func(c *vault.Contents) error { return c.CanMigrate(d.token) }})
	if err != nil {
		return report, err
	}
	defer s.close()
	if s.store != nil {
		// Two sessions at once could wait for each other: see sks.Access.Serialise.
		err := s.store.Close()
		if s.store = nil; err != nil {
			return report, fault.Wrap(fault.Unreachable, err, "leave the token %s", s.token)
		}
	}
	r, err := s.rekeying(a)
	if err != nil {
		return report, err
	}
	r.SKS = d.sks
	r.PIN, r.Replicable = d.stored(), o.to.replicable
	if err := a.tryServiceRole(ctx, s.folder, d); err != nil {
		return report, err
	}
	store, token, err := a.loginTo(ctx, s.folder, d.sks, d.source, d.pin)
	if err != nil {
		return report, err
	}
	defer store.Close()
	if err := s.contents.CanMigrate(token); err != nil {
		return report, err
	}
	if report, err = a.rekey(ctx, s.folder, r, store, token, o.dryRun); err != nil || o.dryRun {
		return report, err
	}
	switch {
	case r.Contents.Mode == vault.ModeSealed && r.Contents.SKS.PIN == pin.Default && d.sks.PIN != pin.Default:
		a.warn(unreadPIN(s.folder))
	case r.Contents.Mode == vault.ModeClear:
		a.warn("until now the secrets lay in the clear: old backups, snapshots and freed blocks of this disk may still hold them, and ssovault cannot erase them there")
	}
	return report, nil
}
