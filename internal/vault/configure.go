package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Plan is what an administrator decided: settings to keep, and under which key.
type Plan struct {
	Settings Settings
	// Files are taken into data/, by their name there; see Save.TakeIn.
	Files map[string][]byte
	// SKS is nil to keep the settings in the clear. Its KeyID, KeyLabel, Proof
	// and Instance are for Configure to fill unless KeepKey says they hold.
	SKS *SKS
	// KeepKey goes on with the key that SKS names, instead of making one.
	KeepKey bool
	// Replicable makes the new key one that may move to a token that this one's
	// security officer trusts.
	Replicable bool
	// Leaf is the DER certificate that is kept beside the key, or nil.
	Leaf []byte
	// PIN becomes BASE/sks.pin, unless it is empty.
	PIN secret.Value
	// Present is what lies in the folder now, or nil: its generation counts on.
	Present *Contents
	// Generation is the newest save that is known of elsewhere, as of a token
	// that is left: the new one goes on from there.
	Generation uint64
	Now        time.Time
}

// Outcome is what Configure did.
type Outcome struct {
	Mark sks.Mark
	SKS  *SKS
	// Remembers tells whether the token remembers the generation.
	Remembers bool
}

// Configure carries a plan out: announces the key's id, makes the key and
// proves it, keeps the certificate, commits the save and lets the token
// remember it. store is logged in to the plan's token; it is nil for a plan in
// the clear. A failure before the commit leaves folder and token as they were.
func (f *Folder) Configure(ctx context.Context, p Plan, store sks.Store, token sks.Token) (Outcome, error) {
	save := Save{Settings: p.Settings, Files: p.Files, PIN: p.PIN, Generation: p.Generation, Now: p.Now}
	var inUse sks.KeyID
	if p.Present != nil && p.Present.Mode == ModeSealed {
		save.Generation = max(p.Generation, p.Present.Mark().Generation)
		inUse = p.Present.SKS.KeyID
	}
	if p.SKS == nil {
		if inUse != (sks.KeyID{}) {
			if err := f.MustNotRun(); err != nil {
				return Outcome{}, err
			}
		}
		mark, _, err := f.commit(ctx, save, nil)
		return Outcome{Mark: mark}, err
	}
	if err := f.settlePending(ctx, store, token, inUse); err != nil {
		return Outcome{}, err
	}
	s := *p.SKS
	s.Instance = p.Settings.InstanceNumber()
	known, err := generationOf(ctx, store, s.Instance, save.Generation)
	if err != nil {
		return Outcome{}, err
	}
	save.Generation = known
	key, err := f.keyFor(ctx, &s, p, store, PendingKey{
		Library: s.Library, Label: token.Label, Serial: token.Serial, Instance: s.Instance, Generation: known,
	})
	if err != nil {
		return Outcome{}, err
	}
	save.SKS = &s
	mark, holds, err := f.saveUnder(ctx, save, p.Leaf, key, store)
	if err != nil && !holds && !p.KeepKey {
		// Nothing uses the new key. When it cannot be removed now, the
		// announcement stays and the next run removes it.
		if removeErr := f.removePending(context.WithoutCancel(ctx), store, PendingKey{KeyID: s.KeyID, path: f.pendingKey()}); removeErr != nil {
			err = errors.Join(err, removeErr)
		}
	}
	out := Outcome{Mark: mark, SKS: &s}
	if err != nil {
		return out, err
	}
	// The PIN works, so a refusal that is remembered says nothing any more.
	_ = f.refusals().Forget(s.Serial, string(s.Role))
	out.Remembers, err = advance(ctx, store, s.Instance, mark)
	return out, err
}

// keyFor finds the key that s names, or makes one and completes s.
func (f *Folder) keyFor(ctx context.Context, s *SKS, p Plan, store sks.Store, announcement PendingKey) (sks.Key, error) {
	if p.KeepKey {
		key, err := store.Key(ctx, s.KeyID)
		if err != nil {
			return nil, fault.Wrap(fault.Unreachable, err, "find the key %q (id %s)", s.KeyLabel, s.KeyID)
		}
		if s.Proof.Box == nil {
			s.Proof, err = sks.Prove(ctx, key)
		}
		return key, err
	}
	var err error
	if s.KeyLabel, err = nextLabel(ctx, store, s.Instance); err != nil {
		return nil, err
	}
	s.KeyID = sks.NewKeyID()
	announcement.KeyID = s.KeyID
	if err := f.announce(announcement); err != nil {
		return nil, err
	}
	key, err := store.Create(ctx, sks.NewKey{ID: s.KeyID, Label: s.KeyLabel, Replicable: p.Replicable})
	if fault.Of(err) == fault.Unreachable {
		err = fmt.Errorf("%w; %w", err, sks.ErrPartLeft)
	}
	if err == nil {
		s.Proof, err = sks.Prove(ctx, key)
	}
	if err == nil {
		err = s.Proof.Check(ctx, key)
	}
	if err != nil {
		err = fault.Wrap(fault.Unreachable, err, "make the key %q in the token %s", s.KeyLabel, announcement.Label)
		// The device may have made the key and lost the answer.
		if removeErr := f.removePending(context.WithoutCancel(ctx), store, PendingKey{KeyID: s.KeyID, path: f.pendingKey()}); removeErr != nil {
			err = errors.Join(err, removeErr)
		}
		return nil, err
	}
	return key, nil
}

// generationOf is the highest generation that the files and the token know of.
func generationOf(ctx context.Context, store sks.Store, instance string, files uint64) (uint64, error) {
	memory, ok := store.(sks.Rememberer)
	if !ok {
		return files, nil
	}
	known, err := memory.Recall(ctx, instance)
	if errors.Is(err, sks.ErrCannotRemember) {
		return files, nil
	}
	return max(files, known.Generation), fault.Wrap(fault.Unreachable, err, "ask the HSM for the newest generation")
}

// saveUnder keeps the certificate beside the key and commits a sealed save.
func (f *Folder) saveUnder(ctx context.Context, save Save, leaf []byte, key sks.Key, store sks.Store) (sks.Mark, bool, error) {
	if keeper, ok := store.(sks.Keeper); ok && leaf != nil {
		if err := keeper.KeepCertificate(ctx, save.SKS.KeyID, save.SKS.KeyLabel, leaf); err != nil {
			return sks.Mark{}, false, fault.Wrap(fault.Unreachable, err, "keep the certificate beside the key")
		}
	}
	return f.commit(ctx, save, key)
}

// advance lets the token remember a save that holds. It tells whether it can.
func advance(ctx context.Context, store sks.Store, instance string, m sks.Mark) (bool, error) {
	memory, ok := store.(sks.Rememberer)
	if !ok {
		return false, nil
	}
	err := memory.Remember(ctx, instance, m)
	if errors.Is(err, sks.ErrCannotRemember) {
		return false, nil
	}
	if err != nil {
		return false, fault.Wrap(fault.Unreachable, err, "the new generation %d is saved, but the HSM could not be told", m.Generation)
	}
	return true, nil
}

// Change saves other settings under the same key, or in the clear when SKS is
// off: one save. The Contents are those that the settings were read from.
func (f *Folder) Change(ctx context.Context, c *Contents, s Save, store sks.Store) (_ sks.Mark, err error) {
	defer func() {
		if err != nil && s.Dealt {
			err = errors.Join(err, f.TakeBack())
		}
	}()
	if c.Mode == ModeClear {
		mark, _, err := f.commit(ctx, s, nil)
		return mark, err
	}
	if c.Mode != ModeSealed || store == nil {
		return sks.Mark{}, fmt.Errorf("change a folder that is %s", c.Mode)
	}
	present := c.SKS
	s.SKS = &present
	if s.Generation, err = generationOf(ctx, store, c.SKS.Instance, c.Mark().Generation); err != nil {
		return sks.Mark{}, err
	}
	key, err := store.Key(ctx, c.SKS.KeyID)
	if err != nil {
		return sks.Mark{}, err
	}
	if present.Proof.Box == nil { // the key has just opened the files
		if present.Proof, err = sks.Prove(ctx, key); err != nil {
			return sks.Mark{}, err
		}
	}
	mark, _, err := f.saveUnder(ctx, s, nil, key, store)
	if err != nil {
		return mark, err
	}
	_, err = advance(ctx, store, c.SKS.Instance, mark)
	return mark, err
}

// Disable saves opened settings in the clear, without sks.properties. The key
// stays in the token, since backups need it.
func (f *Folder) Disable(ctx context.Context, s Settings, now time.Time) error {
	if err := f.MustNotRun(); err != nil {
		return err
	}
	_, _, err := f.commit(ctx, Save{Settings: s, Now: now}, nil)
	return err
}
