package main

import (
	"context"
	"slices"
	"strings"

	"ssovault/internal/backup"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// retiring is one run of key retire, which may visit the token twice.
type retiring struct {
	*app
	retireOptions
	archives backup.Keys
	pin      secret.Value // of another token than the present one
}

func (r *retiring) wipe() { r.pin.Wipe() }

// ring is a token that is logged in to, and the keys there that are meant.
type ring struct {
	folder   *vault.Folder
	contents *vault.Contents
	store    sks.Store
	token    sks.Token
	keys     []vault.KeyState
	told     bool // this folder is the newest that the token knows
}

func (g *ring) close() {
	if g.store != nil {
		_ = g.store.Close() // what was asked of it is done and checked
	}
	g.folder.Close()
}

// visit judges the keys that are meant, and removes those that nothing needs
// and remove says yes to; nil only judges.
func (r *retiring) visit(ctx context.Context, use vault.Use, report *retireReport, remove func(vault.KeyState) bool) error {
	f, err := r.open(ctx, use)
	if err != nil {
		return err
	}
	g := &ring{folder: f}
	defer g.close()
	if err := r.fill(ctx, g); err != nil {
		return err
	}
	*report = retireReport{DryRun: r.dryRun, Instance: g.contents.InstanceNumber(),
		TokenLabel: g.token.Label, TokenSerial: g.token.Serial, Keys: []retiredKey{}}
	if len(g.keys) == 0 {
		report.Gone = r.label
	}
	var gone []sks.KeyID
	for _, k := range g.keys {
		state := map[bool]string{true: "free", false: "needed"}[k.Free()]
		if k.Free() && !g.told {
			r.warn("whether another copy of this folder uses the key " + k.Label + " cannot be told: " + untold(g.contents))
		}
		if k.Free() && remove != nil && remove(k) {
			if err := f.Retire(ctx, k, g.store, g.token); err != nil {
				return err
			}
			r.log.Info().Str("command", r.command).Str("token", g.token.Label).Str("serial", g.token.Serial).
				Str("key_id", k.ID.String()).Str("label", k.Label).Msg("key removed")
			state, gone = "retired", append(gone, k.ID)
		}
		report.Keys = append(report.Keys, judged(k, state))
	}
	if remove == nil {
		return nil
	}
	if err := backup.ForgetKeys(f.Layout, gone...); err != nil {
		r.warn("the register of backups still names what is gone: " + err.Error())
	}
	return nil
}

// fill gathers what needs keys, opens what is in data/, since a key goes only
// while the present one works, logs in to the token and judges its keys.
func (r *retiring) fill(ctx context.Context, g *ring) (err error) {
	f := g.folder
	if g.contents, err = f.Scan(vault.BoundIgnored); err != nil {
		return err
	}
	c := g.contents
	if possible, _ := c.NamedKey(r.label); r.label != "" && !possible {
		return fault.New(fault.Usage, "%q is neither the label nor the id of a sealing key of instance %s", r.label, c.InstanceNumber()).
			With("'ssovault key retire --dry-run' shows them")
	}
	needs, err := r.needs(f, c)
	if err != nil {
		return err
	}
	other, err := r.otherToken(ctx, c)
	if err != nil {
		return err
	}
	if err = r.hideSources(c); err != nil {
		return err
	}
	if g.store, g.token, err = r.enter(ctx, f, c, other); err != nil {
		return err
	}
	if g.told, err = c.MayRetire(ctx, g.store, g.token); err != nil {
		return err
	}
	if g.keys, err = c.Keys(ctx, g.store, needs); err == nil {
		g.keys, err = r.meant(c, g.keys)
	}
	return err
}

// meant picks the keys that were named. One that is needed is refused before
// any other goes.
func (r *retiring) meant(c *vault.Contents, keys []vault.KeyState) ([]vault.KeyState, error) {
	if r.label == "" {
		return keys, nil
	}
	_, matches := c.NamedKey(r.label)
	keys = slices.DeleteFunc(keys, func(k vault.KeyState) bool { return !matches(k.KeyInfo) })
	for _, k := range keys {
		if err := k.Refusal(); err != nil && !r.dryRun {
			return nil, err
		}
	}
	return keys, nil
}

func untold(c *vault.Contents) string {
	if c.Mode == vault.ModeClear {
		return "the settings lie in the clear and carry no generation"
	}
	return "this token cannot remember a generation"
}

// needs gathers what is known to need keys.
func (r *retiring) needs(f *vault.Folder, c *vault.Contents) ([]vault.Need, error) {
	needs, err := f.Needs(c)
	if err != nil {
		return nil, err
	}
	search := backup.Search{Layout: f.Layout, Instance: c.InstanceNumber(), Keys: r.archives, IgnoreMissing: r.ignoreMissing}
	more, err := search.Needs()
	return append(needs, more...), err
}

// otherToken is how the token of --token is reached; nil for the present one.
func (r *retiring) otherToken(ctx context.Context, c *vault.Contents) (*vault.SKS, error) {
	if r.token == "" {
		if c.Mode != vault.ModeSealed {
			return nil, fault.New(fault.Usage, "the settings lie in the clear: there is no present token").With("name the token with --token")
		}
		return nil, nil
	}
	other := vault.SKS{Timeouts: sks.DefaultTimeouts, Role: sks.RoleUser, Type: c.SKS.Type}
	var err error
	if other.Library, err = chooseLibrary(r.library, c.SKS.Library); err != nil {
		return nil, err
	}
	token, err := r.tokenNamed(ctx, r.token, other)
	if err != nil {
		return nil, err
	}
	if ofToken(c, token) {
		return nil, nil
	}
	if other.Library != c.SKS.Library {
		other.Type = sks.VendorOf(other.Library, token).Name
	}
	other.Label, other.Serial, other.PIN = token.Label, token.Serial, pin.Source{Kind: pin.KindPrompt}
	if r.pinSource != "" {
		if other.PIN, err = pin.ParseSource(r.pinSource); err != nil {
			return nil, fault.Wrap(fault.Usage, err, "--pin-source")
		}
	}
	if other.PIN == pin.Default && c.SKS.PIN == pin.Default {
		return nil, fault.New(fault.Usage, "--pin-source file: BASE/sks.pin holds the PIN of the present token, and would only cost a try").
			With("name the file of the token's own PIN (file:PATH); a migration keeps it as sks.pin.before-…")
	}
	return &other, nil
}

// enter opens what is in data/ with its own key, and then logs in to the token
// that is meant.
func (r *retiring) enter(ctx context.Context, f *vault.Folder, c *vault.Contents, other *vault.SKS) (sks.Store, sks.Token, error) {
	if c.Mode == vault.ModeSealed {
		device, err := r.device(f)
		if err != nil {
			return nil, sks.Token{}, err
		}
		if other != nil {
			device.Source = nil // --pin-source is the other token's
		}
		store, token, err := f.Connect(ctx, c.SKS, device)
		if err != nil {
			return nil, token, err
		}
		plain, err := c.OpenCopy(ctx, store)
		plain.Wipe()
		if err == nil && other == nil {
			return store, token, nil
		}
		// Two sessions at once could wait for each other: see sks.Access.Serialise.
		if closeErr := store.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, token, fault.Wrap(fault.Unreachable, err, "open what is in data/ before a key is removed")
		}
	}
	if r.pin.Len() == 0 {
		var err error
		pins, err := f.PresentPINs(r.pins(f.Layout, f.Owner.UID))
		if err != nil {
			return nil, sks.Token{}, err
		}
		if r.pin, err = readNewPIN(ctx, pins, other.PIN, other.Label, "--pin-source SOURCE"); err != nil {
			return nil, sks.Token{}, err
		}
	}
	return r.loginTo(ctx, f, *other, other.PIN, r.pin)
}

func joined(all []string) string { return strings.Join(all, ", ") }
