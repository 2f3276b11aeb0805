package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/keystore"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// newToken are the flags that name a token which this folder does not use yet,
// and how the service will reach it.
type newToken struct{ token, library, role, source string }

func (n *newToken) flags(f *pflag.FlagSet, tokenFlag string) {
	f.StringVar(&n.token, tokenFlag, "", "the `token` that the new key is made in: its label, serial number or slot number")
	f.StringVar(&n.library, "library", "", "its PKCS#11 library `file` (default: the present one, else the first usual one on this machine)")
	f.StringVar(&n.role, "role", string(sks.RoleUser), "the role that logs in")
	f.StringVar(&n.source, "to-pin-source", "", "where the `source` of the new token's PIN is; without it the PIN is asked for and kept in BASE/sks.pin")
}

// variables names what must be taken out of the environment before anything is
// read from standard input.
func (n *newToken) variables() []string {
	if source, err := pin.ParseSource(n.source); err == nil && source.Kind == pin.KindEnv {
		return []string{source.Arg}
	}
	return nil
}

// check makes sure that the flags mean something. Cause Usage.
func (n *newToken) check() error {
	switch sks.Role(n.role) {
	case sks.RoleUser:
	case sks.RoleCryptoUser:
		return fault.New(fault.Usage, "a Crypto User cannot make keys").
			With("log in as user now; sks.role=cu in data/sks.properties, with the Crypto User's PIN source, is for the service afterwards")
	default:
		return fault.New(fault.Usage, "--role is user, not %q", n.role)
	}
	if n.source == "" {
		return nil
	}
	source, err := pin.ParseSource(n.source)
	if err == nil && source.Kind == pin.KindFile && source != pin.Default && !filepath.IsAbs(source.Arg) {
		err = errors.New("the service starts in another folder; give an absolute path")
	}
	return fault.Wrap(fault.Usage, err, "--to-pin-source")
}

// entry is a chosen token and the way in.
type entry struct {
	sks   vault.SKS // less the key
	token sks.Token
	pin   secret.Value
	typed bool // and becomes BASE/sks.pin
}

// wipe forgets the PIN.
func (e *entry) wipe() { e.pin.Wipe() }

// stored is what becomes BASE/sks.pin.
func (e *entry) stored() secret.Value {
	if e.typed {
		return e.pin
	}
	return secret.Value{}
}

// chooseToken finds the token and reads its PIN; what the flags leave open it
// asks on a terminal. had is the present configuration, nil when there is none:
// its deadlines and comments stay. Nothing is locked, nobody is logged in.
func (a *app) chooseToken(ctx context.Context, f *vault.Folder, n newToken, had *vault.SKS) (e entry, err error) {
	e.sks = vault.SKS{Timeouts: sks.DefaultTimeouts}
	if had != nil {
		e.sks = *had
		e.sks.KeyID, e.sks.KeyLabel, e.sks.Proof = sks.KeyID{}, "", sks.Proof{}
	}
	if e.sks.Library, err = n.findLibrary(had); err != nil {
		return e, err
	}
	tokens, err := a.dialer().Tokens(ctx, e.sks.Library, e.sks.Timeouts)
	if err != nil {
		return e, fault.Wrap(fault.Unreachable, err, "list the tokens that %s sees", e.sks.Library)
	}
	if e.token, err = a.pickToken(ctx, n.token, tokens); err != nil {
		return e, err
	}
	switch {
	case !e.token.GCM:
		return e, fault.New(fault.NoGCM, "the token %s does not offer AES/GCM", e.token)
	case e.token.Tries == sks.TriesLocked:
		return e, fault.New(fault.PINLocked, "the token %s: %s; no login was tried", e.token, e.token.Tries)
	}
	e.sks.Type, e.sks.Role = typeOf(e.sks.Library, e.token, had), sks.Role(n.role)
	e.sks.Label, e.sks.Serial = e.token.Label, e.token.Serial
	return e, a.readNewPIN(ctx, f, n.source, &e)
}

// findLibrary is the library that was named, else the present one, else the
// first usual one that is there. The helper looks at who could change it.
func (n *newToken) findLibrary(had *vault.SKS) (string, error) {
	if n.library == "" {
		if had != nil && isFile(had.Library) {
			return had.Library, nil
		}
		for _, v := range sks.Vendors() {
			if path := usualLibrary(v.Name); path != "" {
				return path, nil
			}
		}
		return "", fault.New(fault.Usage, "no PKCS#11 library is at its usual place on this machine").With("name it with --library")
	}
	switch {
	case !filepath.IsAbs(n.library):
		return "", fault.New(fault.Usage, "--library %s is not an absolute path", n.library)
	case !isFile(n.library):
		return "", fault.New(fault.Usage, "there is no library %s", n.library)
	}
	return filepath.Clean(n.library), nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// pickToken finds the token that was named, or asks for it.
func (a *app) pickToken(ctx context.Context, name string, tokens []sks.Token) (sks.Token, error) {
	if name != "" || !a.attended() {
		token, err := sks.FindToken(tokens, name)
		return token, fault.Wrap(fault.Usage, err, "the new token")
	}
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

// typeOf is the type of a device: the present one, if its library is that, else
// what library and token tell.
func typeOf(library string, t sks.Token, had *vault.SKS) string {
	if had != nil && had.Library == library {
		return had.Type
	}
	return sks.VendorOf(library, t).Name
}

// readNewPIN reads the PIN from its source, or asks for it.
func (a *app) readNewPIN(ctx context.Context, f *vault.Folder, source string, e *entry) (err error) {
	read := pin.Source{Kind: pin.KindPrompt}
	e.sks.PIN = pin.Default
	switch {
	case source != "":
		if read, err = pin.ParseSource(source); err != nil {
			return fault.Wrap(fault.Usage, err, "--to-pin-source")
		}
		e.sks.PIN = read
	case !a.attended():
		return fault.New(fault.Usage, "nobody is there to type the PIN of the token %s", e.token).With("name its source with --to-pin-source")
	default:
		e.typed = true
	}
	e.pin, err = a.pins(f.Layout, f.Owner.UID).Read(ctx, read, "PIN of the token "+oneLine(e.token.Label))
	if err == nil && e.pin.Len() == 0 {
		err = fault.New(fault.PINUnavailable, "an empty PIN would only cost a try")
	}
	return err
}

// logIn logs in to a chosen token, once. The caller closes the store.
func (a *app) logIn(ctx context.Context, f *vault.Folder, e entry) (sks.Store, sks.Token, error) {
	device, err := a.device(f)
	if err != nil {
		return nil, sks.Token{}, err
	}
	s := e.sks
	if e.typed {
		s.PIN = pin.Source{Kind: pin.KindPrompt} // a refusal says nothing of BASE/sks.pin
	}
	return f.Login(ctx, s, device, e.pin.Clone())
}

// leafOf is the certificate to keep beside a new key: the leaf of the key store
// in data/, nil when that does not open.
func leafOf(f *vault.Folder, set vault.Settings) []byte {
	name := set.Bound.KeyStore.Name
	if name == "" {
		return nil
	}
	b, err := durable.Read(f.Data(name), keystore.MaxSize)
	if err != nil {
		return nil
	}
	get := func(key string) secret.Value { v, _ := set.Shared.Get(key); return secret.New([]byte(v)) }
	chain, err := keystore.Open(b, get("key_store_password"), get("key_password"))
	if err != nil || len(chain.Certificates) == 0 {
		return nil
	}
	return chain.Certificates[0].Raw
}
