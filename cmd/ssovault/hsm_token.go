package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// libraryVariable names the PKCS#11 library where no flag does.
const libraryVariable = "SSOVAULT_PKCS11_LIBRARY"

// tokenFlags say which token a command is about, and where its PINs come from.
type tokenFlags struct {
	token, library string
	soSource       string
	// Of a command about two tokens, instead of --pin-source; and its flag's name.
	userSource, userFlag string
	// serial is that of the token which was shown and confirmed, or empty: what the
	// words mean by now must still be that one.
	serial string
}

func (t *tokenFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&t.token, "token", "", "the `token`: a label, serial number, slot number or pkcs11: URI (default that of sks.properties)")
	t.registerLibrary(c)
}

func (t *tokenFlags) registerLibrary(c *cobra.Command) {
	c.Flags().StringVar(&t.library, "library", "", "PKCS#11 `library` (default $"+libraryVariable+", else that of sks.properties)")
}

func (t *tokenFlags) registerSO(c *cobra.Command) {
	c.Flags().StringVar(&t.soSource, "so-pin-source", "", "take the security officer's PIN from this `source` (prompt, file:PATH …)")
}

// site is where a command runs: perhaps in an install folder.
type site struct {
	folder *vault.Folder // nil: no install folder is meant
	sks    vault.SKS     // zero: none is configured
}

// site finds the install folder, where one is meant: named, or the working
// directory when it has data/.
func (a *app) site() (p site, err error) {
	base, err := a.baseFolder()
	if err != nil {
		return p, err
	}
	if a.base == "" && os.Getenv("SSOVAULT_BASE") == "" {
		if there, err := durable.Exists(vault.Layout{Base: base}.Data("")); err != nil || !there {
			return p, nil
		}
	}
	if p.folder, err = a.find(); err != nil {
		return p, err
	}
	// What is wrong with the sealed files is not a matter of administration.
	if c, _ := p.folder.Scan(vault.BoundIgnored); c != nil && c.SKS.Library != "" {
		p.sks = c.SKS
	}
	return p, nil
}

// state is the folder that remembers refused PINs and unfinished changes: the
// install folder, else one of the user's own.
func (a *app) state(p *site) (*vault.Folder, error) {
	if p.folder != nil {
		return p.folder, nil
	}
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fault.Wrap(fault.Usage, err, "there is no install folder, and no home to keep a state in")
		}
		dir = filepath.Join(home, ".local", "state")
	}
	if err := os.MkdirAll(dir, durable.FolderMode); err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "keep a state")
	}
	dir = filepath.Join(dir, "ssovault")
	if err := durable.MakeFolder(dir); err != nil {
		return nil, err
	}
	f, err := vault.Find(dir)
	if err == nil {
		p.folder = f
	}
	return f, err
}

// uri reads --token as a URI; ok where it is one.
func (t tokenFlags) uri() (u hsm.URI, ok bool, err error) {
	if !strings.HasPrefix(t.token, hsm.URIScheme) {
		return u, false, nil
	}
	u, err = hsm.ParseURI(t.token)
	return u, true, err
}

// libraryOf chooses the library: what the call names comes before what lies around.
func (t tokenFlags) libraryOf(p site) (string, error) {
	u, _, err := t.uri()
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "--token")
	}
	for _, library := range []string{t.library, u.ModulePath, os.Getenv(libraryVariable)} {
		if library != "" {
			return filepath.Abs(library)
		}
	}
	return chooseLibrary("", p.sks.Library)
}

// device is a library that was started, with the tokens that it shows.
type device struct {
	*admin.Device
	library string
	about   admin.Library
	tokens  []admin.Token
}

// openLibrary starts the library and lists its tokens. The caller closes it.
func (a *app) openLibrary(ctx context.Context, library string, t sks.Timeouts) (*device, error) {
	d, err := new(admin.Client).Open(library, t)
	if err != nil {
		return nil, err
	}
	out := &device{Device: d, library: library}
	if out.about, out.tokens, err = d.Tokens(ctx); err != nil {
		_ = d.Close() // it failed, or said why not
		return nil, err
	}
	return out, nil
}

// named finds the token that is meant.
func (d *device) named(t tokenFlags, p site) (admin.Token, error) {
	u, isURI, err := t.uri()
	if err != nil {
		return admin.Token{}, fault.Wrap(fault.Usage, err, "--token")
	}
	name := t.token
	switch {
	case isURI && u.NamesToken():
		return d.matching(u)
	case name == "" && !isURI && p.sks.Library != "" && p.sks.Library != d.library:
		return admin.Token{}, fault.New(fault.Usage, "which token of %s is meant? It is another library than that of sks.properties", d.library).With("name it with --token; 'ssovault hsm slots' shows them")
	case name == "" || isURI:
		name = p.sks.Serial
	}
	if name == "" {
		return admin.Token{}, fault.New(fault.Usage, "which token is meant?").With("name it with --token; 'ssovault hsm slots' shows them")
	}
	found, err := sks.TokenNamed(d.shown(), name)
	if err != nil {
		return admin.Token{}, d.notThere(err)
	}
	return d.of(found), nil
}

// matching finds the one token that a URI names.
func (d *device) matching(u hsm.URI) (found admin.Token, err error) {
	var names []string
	for _, t := range d.tokens {
		if t.Problem == nil && u.Matches(t.Token) {
			found, names = t, append(names, t.Token.String())
		}
	}
	switch len(names) {
	case 0:
		return found, d.notThere(fmt.Errorf("%w is as %s says; %s", sks.ErrAbsent, u, sks.Seen(d.shown())))
	case 1:
		return found, nil
	}
	return found, fault.New(fault.Usage, "the URI names several tokens: %s", strings.Join(names, ", ")).With("add serial= to it")
}

// shown gives the tokens as sks has them.
func (d *device) shown() []sks.Token {
	all := make([]sks.Token, len(d.tokens))
	for i, t := range d.tokens {
		all[i] = t.Token
	}
	return all
}

// notThere gives a token that was not found its cause: it is away, as far as can
// be seen, or has another name, so that what is there is listed. One that is
// named by what several are called is another matter.
func (d *device) notThere(err error) error {
	if !errors.Is(err, sks.ErrAbsent) {
		return fault.Wrap(fault.Usage, err, "the library %s", d.library)
	}
	var problem error
	for _, t := range d.tokens {
		switch {
		case t.Problem == nil && t.Initialised:
			return &fault.Error{Op: "the library " + d.library, Cause: fault.Unreachable, Err: err,
				Advice: "if it has another name, 'ssovault hsm slots' shows it; else look after the device, its network (NTLS is TCP 1792) and the vendor's own tool"}
		case t.Problem != nil:
			problem = t.Problem
		}
	}
	if problem != nil {
		return fault.Wrap(fault.Unreachable, problem, "no token can be asked")
	}
	return fault.Wrap(fault.Unreachable, err, "the library %s", d.library)
}

// plain is an error without its cause.
func plain(err error) error { return &withoutCause{err.Error()} }

type withoutCause struct{ text string }

func (w *withoutCause) Error() string { return w.text }

// of gives what is known of a token.
func (d *device) of(t sks.Token) admin.Token {
	for _, full := range d.tokens {
		if full.Slot == t.Slot {
			return full
		}
	}
	return admin.Token{Token: t}
}

// visit is a token that a command works on.
type visit struct {
	*app
	site
	*device
	token admin.Token
	flags tokenFlags
}

// visit chooses the library and the token, without a login. The caller closes
// it.
func (a *app) visit(ctx context.Context, flags tokenFlags) (*visit, error) {
	p, err := a.site()
	if err != nil {
		return nil, err
	}
	v := &visit{app: a, site: p, flags: flags}
	library, err := flags.libraryOf(p)
	if err != nil {
		return nil, err
	}
	if err := v.hideSources(); err != nil {
		return nil, err
	}
	if v.device, err = a.openLibrary(ctx, library, p.sks.Timeouts); err != nil {
		return nil, err
	}
	v.token, err = v.device.named(flags, p)
	if err == nil && v.token.Problem != nil {
		err = v.token.Problem
	}
	if err == nil && flags.serial != "" && v.token.Serial != flags.serial {
		err = fault.New(fault.Usage, "the token %s is another one by now: it was of the serial %s", oneLine(v.token.String()), flags.serial)
	}
	if err != nil {
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

// ready wants a token that is initialised.
func (v *visit) ready() error {
	if v.token.Initialised {
		return nil
	}
	return fault.New(fault.Usage, "the token in slot %d is not initialised", v.token.Slot).With("'ssovault hsm init' does that")
}

// sources are where the PINs come from: by flag, by URI, else they are asked
// for.
func (v *visit) sources() (user, so pin.Source, err error) {
	user, so = pin.Source{Kind: pin.KindPrompt}, pin.Source{Kind: pin.KindPrompt}
	u, _, err := v.flags.uri()
	if err == nil && u.PINSource != (pin.Source{}) {
		user = u.PINSource
	}
	if err == nil && v.flags.userSource != "" {
		user, err = pin.ParseSource(v.flags.userSource)
		return user, so, fault.Wrap(fault.Usage, err, "--%s", v.flags.userFlag)
	}
	if err == nil && v.pinSource != "" {
		user, err = pin.ParseSource(v.pinSource)
		err = fault.Wrap(fault.Usage, err, "--pin-source")
	}
	if err == nil && v.flags.soSource != "" {
		so, err = pin.ParseSource(v.flags.soSource)
		err = fault.Wrap(fault.Usage, err, "--so-pin-source")
	}
	return user, so, err
}

// hideSources starts ssovault again without the variables that hold PINs.
func (v *visit) hideSources(more ...pin.Source) error {
	user, so, err := v.sources()
	if err != nil {
		return err
	}
	var names []string
	for _, s := range append(more, user, so) {
		if s.Kind == pin.KindEnv {
			names = append(names, s.Arg)
		}
	}
	return v.hidden.Hide(names...)
}
