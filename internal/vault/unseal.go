package vault

import (
	"context"
	"errors"
	"fmt"

	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Plain is the text of both property files.
type Plain struct{ Instance, Shared []byte }

// Wipe overwrites both.
func (p Plain) Wipe() {
	secret.Wipe(p.Instance)
	secret.Wipe(p.Shared)
}

// Parse gives the settings that the texts hold.
func (p Plain) Parse() (Settings, error) {
	var s Settings
	var err error
	if s.Instance, err = properties.Parse(p.Instance); err != nil {
		return s, fault.Wrap(fault.Malformed, err, "the instance properties")
	}
	if s.Shared, err = properties.Parse(p.Shared); err != nil {
		return s, fault.Wrap(fault.Malformed, err, "the shared properties")
	}
	return s, nil
}

// Rollback is what the token remembers of the newest save, against the files.
type Rollback struct {
	Remembered sks.Mark
	Files      sks.Mark
	// Older: the files are an older save, or another one of the same number.
	Older bool
	// Unknown: the token or the role cannot remember.
	Unknown bool
}

// Ahead tells whether the files are newer than the token remembers.
func (r Rollback) Ahead() bool { return !r.Unknown && r.Files.Generation > r.Remembered.Generation }

// Warning says it for the log, or "" when all is well.
func (r Rollback) Warning() string {
	switch {
	case r.Unknown:
		return "the HSM cannot remember a generation for this role: a rollback of the files is not detected"
	case r.Older && r.Files.Generation == r.Remembered.Generation:
		return fmt.Sprintf("the files are generation %d, but of another save than the HSM remembers", r.Files.Generation)
	case r.Older:
		return fmt.Sprintf("the files are generation %d, the HSM remembers %d: an older state was put back", r.Files.Generation, r.Remembered.Generation)
	}
	return ""
}

// Unseal opens both files with the key in the store, and holds their
// generation against what the token remembers; files that are ahead of it are
// accepted and the token is advanced. Causes KeyMissing, KeyAmbiguous,
// WrongKey, NoGCM, Unreachable, Tampered, RolledBack.
func (c *Contents) Unseal(ctx context.Context, store sks.Store) (Plain, Rollback, error) {
	key, err := store.Key(ctx, c.SKS.KeyID)
	if err != nil {
		return Plain{}, Rollback{}, fault.Wrap(fault.Unreachable, err, "find the key %q (id %s)", c.SKS.KeyLabel, c.SKS.KeyID)
	}
	var p Plain
	if p.Instance, err = c.open(ctx, key, c.Instance, InstanceEncp); err != nil {
		return Plain{}, Rollback{}, err
	}
	if p.Shared, err = c.open(ctx, key, c.Shared, SharedEncp); err != nil {
		p.Wipe()
		return Plain{}, Rollback{}, err
	}
	r, err := c.Rollback(ctx, store)
	if err == nil && r.Ahead() {
		err = remember(ctx, store.(sks.Rememberer), c.SKS.Instance, r.Files)
	}
	if err != nil {
		p.Wipe()
		return Plain{}, r, err
	}
	return p, r, nil
}

// open opens one sealed file, and finds out why when the device will not.
func (c *Contents) open(ctx context.Context, key sks.Key, f encp.File, name string) ([]byte, error) {
	plain, err := key.Open(ctx, f.IV, f.Body, f.AAD)
	if errors.Is(err, sks.ErrRefused) {
		return nil, sks.Verdict(ctx, key, c.SKS.Proof, "data/"+name, err)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unreachable, err, "open data/%s", name)
	}
	return plain, nil
}

// Mark is the mark of the save that the files carry.
func (c *Contents) Mark() sks.Mark {
	return sks.Mark{Generation: c.Shared.Generation, SaveID: c.Shared.SaveID}
}

// Rollback asks the token for the newest save and holds the files against it.
// It changes nothing. Cause RolledBack when they are older and sks.properties
// says rollback=refuse.
func (c *Contents) Rollback(ctx context.Context, store sks.Store) (Rollback, error) {
	r := Rollback{Files: c.Mark()}
	memory, ok := store.(sks.Rememberer)
	if !ok {
		r.Unknown = true
		return r, nil
	}
	var err error
	r.Remembered, err = memory.Recall(ctx, c.SKS.Instance)
	if errors.Is(err, sks.ErrCannotRemember) {
		r.Unknown = true
		return r, nil
	}
	if err != nil {
		return r, fault.Wrap(fault.Unreachable, err, "ask the HSM for the newest generation")
	}
	r.Older = r.Files != r.Remembered && !r.Ahead()
	if r.Older && c.SKS.RefuseRollback {
		return r, fault.New(fault.RolledBack, "%s", r.Warning())
	}
	return r, nil
}

// remember stores a mark; a role that cannot is no error.
func remember(ctx context.Context, memory sks.Rememberer, instance string, m sks.Mark) error {
	err := memory.Remember(ctx, instance, m)
	if errors.Is(err, sks.ErrCannotRemember) {
		return nil
	}
	return fault.Wrap(fault.Unreachable, err, "let the HSM remember generation %d", m.Generation)
}
