package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// destinationFlags name a token that a new key is made in, and how its PIN is
// come by, now and at each start. What they leave open is asked on a terminal.
type destinationFlags struct {
	flag            string // that names the token
	token, library  string
	source, service string // of PINs
	role            string
	replicable      bool
}

func (n *destinationFlags) register(f *pflag.FlagSet, flag string) {
	n.flag = flag
	f.StringVar(&n.token, flag, "", "the `token` of the new key: its label, serial or slot number")
	f.StringVar(&n.library, "library", "", "PKCS#11 `library` of that token (default the present one, else the first on this machine)")
	f.StringVar(&n.source, "to-pin-source", "", "where its PIN comes from now, a `source` as for --pin-source (default: asked)")
	f.StringVar(&n.service, "service-pin-source", "", "the `source` from which the service gets it at start")
	f.BoolVar(&n.replicable, "replicable", false, replicableHelp)
	f.StringVar(&n.role, "role", string(sks.RoleUser), "as whom the service logs in there: user or cu")
}

// destinationNames are the flags of a destination, but that of the token.
var destinationNames = []string{"library", "to-pin-source", "service-pin-source", "role", "replicable"}

// check refuses flags that mean nothing, or do not go together. Cause Usage.
func (n *destinationFlags) check() error {
	switch {
	case n.role != string(sks.RoleUser) && n.role != string(sks.RoleCryptoUser):
		return fault.New(fault.Usage, "--role is user or cu, not %q", n.role)
	case n.role == string(sks.RoleCryptoUser) && (n.service == "" || n.service == pin.Default.String()):
		return fault.New(fault.Usage, "--role cu needs --service-pin-source, another source than \"file\": the Crypto User's PIN is not the one that makes the key")
	}
	_, _, err := n.sources()
	return err
}

// sources gives the source of the PIN that makes the key, and the service's.
// Cause Usage.
func (n *destinationFlags) sources() (now, service pin.Source, err error) {
	now, service = pin.Source{Kind: pin.KindPrompt}, pin.Default
	if n.source != "" {
		if now, err = pin.ParseSource(n.source); err != nil {
			return now, service, fault.Wrap(fault.Usage, err, "--to-pin-source")
		}
		service = now
	}
	if n.service != "" {
		if service, err = pin.ParseSource(n.service); err != nil {
			return now, service, fault.Wrap(fault.Usage, err, "--service-pin-source")
		}
	}
	if service.Kind == pin.KindFile && service != pin.Default && !filepath.IsAbs(service.Arg) {
		return now, service, fault.New(fault.Usage, "the service starts in another folder than this one, and would not find the PIN in %s", service.Arg).With("give an absolute path")
	}
	return now, service, nil
}

// variables names what must be taken out of the environment before anything
// else is read.
func (n *destinationFlags) variables() (names []string) {
	now, service, _ := n.sources() // check says what is wrong
	for _, s := range []pin.Source{now, service} {
		if s.Kind == pin.KindEnv {
			names = append(names, s.Arg)
		}
	}
	return names
}

// destination is where the new key will be, and how its PIN is come by.
type destination struct {
	sks     vault.SKS  // as the service will reach it
	source  pin.Source // of the PIN that makes the key
	token   sks.Token
	pin     secret.Value
	written bool // the PIN becomes BASE/sks.pin
}

// stored is what becomes BASE/sks.pin.
func (d *destination) stored() secret.Value {
	if d.written {
		return d.pin
	}
	return secret.Value{}
}

// destination finds the token that is meant and reads its PIN; vet looks at
// the token before that. present is the configuration that the folder has, or
// nil: its deadlines and comments stay. Nothing is locked, nobody is logged in.
// The caller wipes the PIN.
func (a *app) destination(ctx context.Context, f *vault.Folder, present *vault.SKS, n destinationFlags, vet func(sks.Token) error) (d destination, err error) {
	d.sks = vault.SKS{Timeouts: sks.DefaultTimeouts}
	if present != nil {
		d.sks = present.WithoutKey()
	}
	if d.sks.Library, err = chooseLibrary(n.library, d.sks.Library); err != nil {
		return d, err
	}
	if d.token, err = a.tokenNamed(ctx, n.token, d.sks); err != nil {
		return d, err
	}
	if err := vet(d.token); err != nil {
		return d, err
	}
	if d.token.Tries == sks.TriesLocked {
		return d, fault.New(fault.PINLocked, "the token %s: %s; no login was tried", d.token, d.token.Tries)
	}
	if err := offers(d.token); err != nil {
		return d, err
	}
	if present == nil || d.sks.Library != present.Library {
		d.sks.Type = sks.VendorOf(d.sks.Library, d.token).Name
	}
	vendor := sks.VendorNamed(d.sks.Type)
	d.sks.Label, d.sks.Serial, d.sks.Role = d.token.Label, d.token.Serial, sks.Role(n.role)
	if d.sks.Role == sks.RoleCryptoUser && !vendor.CryptoUser && vendor.Name != sks.Other {
		return d, fault.New(fault.Usage, "--role cu: %s has no Crypto User", vendor.Name)
	}
	return d, d.readPIN(ctx, a, f, n)
}

// readPIN reads the PIN of the new token and judges where the service will get
// it from.
func (d *destination) readPIN(ctx context.Context, a *app, f *vault.Folder, n destinationFlags) (err error) {
	if d.source, d.sks.PIN, err = n.sources(); err != nil {
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
	v, err := pins.Read(ctx, source, "PIN of the token "+oneLine(label))
	if fault.Of(err) == fault.PINUnavailable {
		name, _, _ := strings.Cut(flag, " ")
		err = (&fault.Error{Cause: fault.PINUnavailable, Err: err}).With("look at the source that " + name + " names: it is absent or empty")
	}
	return v, err
}

// chooseLibrary is the library that was named, else the present one, else the
// first usual one on this machine. The helper looks at who could change it.
func chooseLibrary(named, present string) (string, error) {
	switch {
	case named != "" && !filepath.IsAbs(named):
		return "", fault.New(fault.Usage, "--library %s is not an absolute path", named)
	case named != "":
		return filepath.Clean(named), nil
	case present != "":
		return present, nil
	}
	for _, v := range sks.Vendors() {
		if path := usualLibrary(v.Name); path != "" {
			return path, nil
		}
	}
	return "", fault.New(fault.Usage, "there is no PKCS#11 library in the usual places").With("name it with --library")
}

// tokenNamed finds a token by its label, serial or slot number, without a
// login; without a name it asks for one, if there is somebody to ask.
func (a *app) tokenNamed(ctx context.Context, name string, s vault.SKS) (sks.Token, error) {
	tokens, err := a.dialer().Tokens(ctx, s.Library, s.Timeouts)
	if err != nil {
		return sks.Token{}, fault.Wrap(fault.Unreachable, err, "list the tokens that %s sees", s.Library)
	}
	if name == "" && a.attended() {
		return a.askForToken(ctx, tokens)
	}
	token, err := sks.FindToken(tokens, name)
	if err != nil && !slices.ContainsFunc(tokens, func(t sks.Token) bool { return t.Initialised }) {
		// It may be right, and the HSM away.
		return token, sks.Unreached(fault.Wrap(fault.Unreachable, err, "the library %s", s.Library), s.Library, os.Geteuid())
	}
	if err != nil {
		return token, fault.Wrap(fault.Usage, err, "the library %s", s.Library)
	}
	return token, nil
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

// askForToken asks which token the new key is made in.
func (a *app) askForToken(ctx context.Context, tokens []sks.Token) (sks.Token, error) {
	q, err := a.questions(ctx)
	if err != nil {
		return sks.Token{}, err
	}
	defer q.close()
	for {
		answer, err := q.ask("Token for the new key (slot, label or serial number)", "")
		if err != nil {
			return sks.Token{}, err
		}
		token, err := sks.FindToken(tokens, answer)
		if err == nil {
			q.say("  found: %s", token)
			return token, nil
		}
		q.say("%v", err)
	}
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
