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
	// Instance is whose key it was to be: its label says so too.
	Instance string `json:"instance"`
	// Generation is the newest save that was known then. A newer one in the
	// token means that somebody went on, from a copy of this folder perhaps.
	Generation uint64 `json:"generation"`
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
// keeps its announcement, and so does a key that may be somebody's: one whose
// label is none of the announced instance's, or whose instance was saved since (this
// folder may be a copy), or where the token cannot say.
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
	orphan, err := f.isOrphan(ctx, store, *p)
	if err != nil || !orphan {
		return err
	}
	return f.removePending(ctx, store, p.KeyID)
}

func (f *Folder) isOrphan(ctx context.Context, store sks.Store, p PendingKey) (bool, error) {
	keeper, keeps := store.(sks.Keeper)
	memory, remembers := store.(sks.Rememberer)
	if !keeps || !remembers {
		return false, nil
	}
	keys, err := keeper.List(ctx, KeyLabelPrefix)
	if err != nil {
		return false, fault.Wrap(fault.Unreachable, err, "look for the key %s, which an earlier run made for nothing", p.KeyID)
	}
	for _, k := range keys {
		if k.ID == p.KeyID && keyNumber(k.Label, p.Instance) == 0 {
			return false, nil
		}
	}
	mark, err := memory.Recall(ctx, p.Instance)
	if errors.Is(err, sks.ErrCannotRemember) {
		return false, nil
	}
	if err != nil {
		return false, fault.Wrap(fault.Unreachable, err, "ask the HSM for the newest generation")
	}
	return mark.Generation <= p.Generation, nil
}

// removePending removes an announced key and its announcement.
func (f *Folder) removePending(ctx context.Context, store sks.Store, id sks.KeyID) error {
	if keeper, ok := store.(sks.Keeper); ok {
		if err := keeper.Remove(ctx, id); err != nil {
			return fault.Wrap(fault.Unreachable, err, "remove the key %s, which was made for nothing", id)
		}
	}
	return f.withdraw()
}
