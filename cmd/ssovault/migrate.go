package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// migrateOptions are the flags of migrate.
type migrateOptions struct {
	to, library     string
	source, service string // of PINs
	role            string
	toClear         bool
	dryRun, asJSON  bool
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
removes that key when nothing does. --to-clear is -disableSKS.

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
	f.StringVar(&o.to, "to", "", "the `token` of the new key: its label, serial or slot number")
	f.StringVar(&o.library, "library", "", "PKCS#11 `library` of that token (default the present one, else the first on this machine)")
	f.StringVar(&o.source, "to-pin-source", "", "where its PIN comes from now, a `source` as for --pin-source (default: asked)")
	f.StringVar(&o.service, "service-pin-source", "", "the `source` from which the service gets it at start")
	f.StringVar(&o.role, "role", string(sks.RoleUser), "as whom the service logs in there: user or cu")
	f.BoolVar(&o.toClear, "to-clear", false, "keep the settings in the clear, as -disableSKS does")
	f.BoolVar(&o.dryRun, "dry-run", false, "open the settings and try the new token; change nothing")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// check refuses flags that do not go together.
func (o migrateOptions) check(cmd *cobra.Command) error {
	switch {
	case o.toClear:
		for _, name := range []string{"to", "library", "to-pin-source", "service-pin-source", "role", "dry-run", "json"} {
			if cmd.Flags().Changed(name) {
				return fault.New(fault.Usage, "--to-clear and --%s exclude each other", name)
			}
		}
		return nil
	case o.to == "":
		return fault.New(fault.Usage, "migrate needs --to TOKEN, or --to-clear").With("'ssovault -config' shows the tokens; 'ssovault migrate --help' shows examples")
	case o.role != string(sks.RoleUser) && o.role != string(sks.RoleCryptoUser):
		return fault.New(fault.Usage, "--role is user or cu, not %q", o.role)
	case o.role == string(sks.RoleCryptoUser) && (o.service == "" || o.service == pin.Default.String()):
		return fault.New(fault.Usage, "--role cu needs --service-pin-source, another source than \"file\": the Crypto User's PIN is not the one that makes the key")
	}
	return nil
}

// destination is where the new key will be, and how its PIN is come by.
type destination struct {
	sks     vault.SKS  // as the service will reach it
	source  pin.Source // of the PIN that makes the key
	token   sks.Token
	pin     secret.Value
	written bool // the PIN becomes BASE/sks.pin
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
	d, err := a.destination(ctx, f, c, o)
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
	if d.written {
		r.PIN = d.pin
	}
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
		a.warn("nothing reads " + s.folder.PINFile() + ", the PIN of the token before, any more; delete it when no backup needs that token")
	case r.Contents.Mode == vault.ModeClear:
		a.warn("until now the secrets lay in the clear: old backups, snapshots and freed blocks of this disk may still hold them, and ssovault cannot erase them there")
	}
	return report, nil
}

// loginTo logs in to a token as the user, with a PIN from that source.
func (a *app) loginTo(ctx context.Context, f *vault.Folder, s vault.SKS, source pin.Source, v secret.Value) (sks.Store, sks.Token, error) {
	s.Role, s.PIN = sks.RoleUser, source
	device := vault.Device{Dialer: a.dialer(), PINs: a.pins(f.Layout, f.Owner.UID), TryPIN: a.tryPIN, Now: a.now}
	return f.Login(ctx, s, device, v.Clone())
}

// tryServiceRole logs in once as a Crypto User, if the service will be one.
func (a *app) tryServiceRole(ctx context.Context, f *vault.Folder, d destination) error {
	if d.sks.Role != sks.RoleCryptoUser {
		return nil
	}
	device := vault.Device{Dialer: a.dialer(), PINs: a.pins(f.Layout, f.Owner.UID), TryPIN: a.tryPIN, Now: a.now}
	store, _, err := f.Connect(ctx, d.sks, device)
	if err != nil {
		return fault.Wrap(fault.Unclassified, err, "as the Crypto User")
	}
	return store.Close()
}

// destination finds the token that is meant and reads its PIN.
func (a *app) destination(ctx context.Context, f *vault.Folder, c *vault.Contents, o migrateOptions) (d destination, err error) {
	d.sks = vault.SKS{Timeouts: sks.DefaultTimeouts}
	if c.Mode == vault.ModeSealed {
		d.sks = c.SKS
	}
	if d.sks.Library, err = chooseLibrary(o.library, d.sks.Library); err != nil {
		return d, err
	}
	if d.token, err = a.tokenNamed(ctx, o.to, d.sks); err != nil {
		return d, err
	}
	if err := c.CanMigrate(d.token); err != nil {
		return d, err
	}
	if err := offers(d.token); err != nil {
		return d, err
	}
	if d.sks.Library != c.SKS.Library {
		d.sks.Type = sks.VendorOf(d.sks.Library, d.token).Name
	}
	vendor := sks.VendorNamed(d.sks.Type)
	d.sks.Label, d.sks.Serial, d.sks.Role = d.token.Label, d.token.Serial, sks.Role(o.role)
	if d.sks.Role == sks.RoleCryptoUser && !vendor.CryptoUser && vendor.Name != sks.Other {
		return d, fault.New(fault.Usage, "--role cu: %s has no Crypto User", vendor.Name)
	}
	return d, d.readPIN(ctx, a, f, c, o)
}

// readPIN reads the PIN of the new token and judges where the service will get
// it from.
func (d *destination) readPIN(ctx context.Context, a *app, f *vault.Folder, c *vault.Contents, o migrateOptions) error {
	var err error
	d.source, d.sks.PIN = pin.Source{Kind: pin.KindPrompt}, pin.Default
	if o.source != "" {
		if d.source, err = pin.ParseSource(o.source); err != nil {
			return fault.Wrap(fault.Usage, err, "--to-pin-source")
		}
		d.sks.PIN = d.source
	}
	if o.service != "" {
		if d.sks.PIN, err = pin.ParseSource(o.service); err != nil {
			return fault.Wrap(fault.Usage, err, "--service-pin-source")
		}
	}
	if d.source == pin.Default && c.Mode == vault.ModeSealed && c.SKS.PIN == pin.Default {
		return fault.New(fault.Usage, "--to-pin-source file: %s holds the PIN of the present token, and would only cost a try", f.PINFile()).
			With("name another file (file:PATH), or leave --to-pin-source out to be asked; --service-pin-source file stores it there")
	}
	if err := a.hideSources(c, d.source, d.sks.PIN); err != nil {
		return err
	}
	pins := a.pins(f.Layout, f.Owner.UID)
	if d.pin, err = readNewPIN(ctx, pins, d.source, d.token.Label, "--to-pin-source SOURCE"); err != nil {
		return err
	}
	d.written = d.sks.PIN == pin.Default && d.source != pin.Default
	if d.sks.Role == sks.RoleCryptoUser || d.sks.PIN == d.source && d.source.Kind != pin.KindFile {
		return nil
	}
	_, notYet, err := pins.Agrees(ctx, d.sks.PIN, d.pin)
	if notYet != nil {
		a.warn(notYet.Error())
	}
	return err
}

// readNewPIN reads the PIN of a token that no configuration names.
func readNewPIN(ctx context.Context, pins pin.Reader, source pin.Source, label, flag string) (secret.Value, error) {
	if source.Attended() && pins.Prompt == nil {
		return secret.Value{}, fault.New(fault.Usage, "the PIN of the token %s is needed, and there is no terminal to ask on", oneLine(label)).
			With("say where it comes from: " + flag)
	}
	return pins.Read(ctx, source, "PIN of the token "+oneLine(label))
}

// hideSources starts ssovault again without the variables that these sources
// and the present configuration name, if there are any.
func (a *app) hideSources(c *vault.Contents, sources ...pin.Source) error {
	instead, _ := pin.ParseSource(a.pinSource) // device says what is wrong with it
	var names []string
	for _, s := range append(sources, c.SKS.PIN, instead) {
		if s.Kind == pin.KindEnv {
			names = append(names, s.Arg)
		}
	}
	return a.hidden.Hide(names...)
}

// chooseLibrary is the library that was named, else the present one, else the
// first usual one on this machine.
func chooseLibrary(named, present string) (string, error) {
	if named == "" {
		named = present
	}
	for _, v := range sks.Vendors() {
		if named == "" {
			named = usualLibrary(v.Name)
		}
	}
	if named == "" {
		return "", fault.New(fault.Usage, "there is no PKCS#11 library in the usual places").With("name it with --library")
	}
	return named, nil
}

// tokenNamed finds a token by its label, serial or slot number, without a login.
func (a *app) tokenNamed(ctx context.Context, name string, s vault.SKS) (sks.Token, error) {
	tokens, err := a.dialer().Tokens(ctx, s.Library, s.Timeouts)
	if err != nil {
		return sks.Token{}, fault.Wrap(fault.Unreachable, err, "list the tokens that %s sees", s.Library)
	}
	token, err := sks.FindToken(tokens, name)
	if err != nil && !slices.ContainsFunc(tokens, func(t sks.Token) bool { return t.Initialised }) {
		return token, fault.Wrap(fault.Unreachable, err, "the library %s", s.Library) // it may be right, and the HSM away
	}
	if err != nil {
		return token, fault.Wrap(fault.Usage, err, "the library %s", s.Library)
	}
	return token, nil
}
