package vault

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// PendingKey is a key whose making was announced: its id is on the disk before
// the token is asked, so that a key made for nothing can be found and removed.
type PendingKey struct {
	Library string    `json:"library"`
	Label   string    `json:"token_label"`
	Serial  string    `json:"token_serial"`
	KeyID   sks.KeyID `json:"key_id"`
}

const maxPending = 4096

// Pending gives the announced key that no save uses, or nil.
func (f *Folder) Pending() (*PendingKey, error) {
	b, err := durable.Read(f.pendingKey(), maxPending)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p PendingKey
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fault.Wrap(fault.Malformed, err, "read %s", f.pendingKey())
	}
	return &p, nil
}

// announce records a key that is about to be made.
func (f *Folder) announce(p PendingKey) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.Replace(f.pendingKey(), append(b, '\n'))
}

// withdraw removes the announcement, once a save uses the key or the key is
// gone.
func (f *Folder) withdraw() error {
	if err := durable.Remove(f.pendingKey()); err != nil {
		return err
	}
	return durable.SyncFolder(f.Run(""))
}

// settlePending removes the key that an earlier run made for nothing, when it
// is in this token; inUse is the key of the last save. A token that is away
// keeps its announcement.
func (f *Folder) settlePending(ctx context.Context, store sks.Store, token sks.Token, inUse sks.KeyID) error {
	p, err := f.Pending()
	if err != nil || p == nil {
		return err
	}
	if p.KeyID == inUse {
		return f.withdraw()
	}
	if p.Serial != token.Serial {
		return nil
	}
	if keeper, ok := store.(sks.Keeper); ok {
		if err := keeper.Remove(ctx, p.KeyID); err != nil {
			return fault.Wrap(fault.Unreachable, err, "remove the key %s, which an earlier run made for nothing", p.KeyID)
		}
	}
	return f.withdraw()
}
