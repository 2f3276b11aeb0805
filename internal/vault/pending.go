package vault

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strings"

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

	path string // of the announcement
}

const maxPending = 4096

// Pending gives the announced keys that no save uses: the last one, and those in
// tokens that were left since.
func (f *Folder) Pending() ([]PendingKey, error) {
	paths := []string{f.pendingKey()}
	entries, err := os.ReadDir(f.Run(""))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(durable.Cause(err), err, "list %s", f.Run(""))
	}
	for _, e := range entries {
		if path := f.Run(e.Name()); strings.HasPrefix(path, f.pendingIn("")) {
			paths = append(paths, path)
		}
	}
	var all []PendingKey
	for _, path := range paths {
		p, err := readPending(path)
		if err != nil {
			return nil, err
		}
		if p != nil {
			p.path = path
			all = append(all, *p)
		}
	}
	return all, nil
}

// pendingIn is where the announcement of a key in a token waits that was left
// before the key could be removed, until that token is used again.
func (l Layout) pendingIn(serial string) string {
	return l.pendingKey() + ".token-" + url.PathEscape(serial)
}

func readPending(path string) (*PendingKey, error) {
	b, err := durable.Read(path, maxPending)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p PendingKey
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fault.Wrap(fault.Malformed, err, "read %s", path)
	}
	return &p, nil
}

// announce records a key that is about to be made. One that was announced in
// another token is set aside.
func (f *Folder) announce(p PendingKey) error {
	had, err := readPending(f.pendingKey())
	if err == nil && had != nil && had.Serial != p.Serial {
		if err := durable.Rename(f.pendingKey(), f.pendingIn(had.Serial)); err != nil {
			return err
		}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return durable.Replace(f.pendingKey(), append(b, '\n'))
}

// withdraw removes an announcement, once a save uses the key or the key is
// gone.
func (f *Folder) withdraw(path string) error {
	if err := durable.Remove(path); err != nil {
		return err
	}
	return durable.SyncFolder(f.Run(""))
}

// settlePending removes the keys that earlier runs made for nothing in this
// token; inUse is the key of the last save. A token that is away keeps its
// announcement, and so does a key that may be somebody's: one whose label is
// none of the announced instance's, or whose instance was saved since (this
// folder may be a copy), or where the token cannot say.
func (f *Folder) settlePending(ctx context.Context, store sks.Store, token sks.Token, inUse sks.KeyID) error {
	all, err := f.Pending()
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.KeyID == inUse {
			err = f.withdraw(p.path)
		} else if p.Serial == token.Serial {
			var orphan bool
			if orphan, err = f.isOrphan(ctx, store, p); orphan {
				err = f.removePending(ctx, store, p)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
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
func (f *Folder) removePending(ctx context.Context, store sks.Store, p PendingKey) error {
	if keeper, ok := store.(sks.Keeper); ok {
		if err := keeper.Remove(ctx, p.KeyID); err != nil {
			return fault.Wrap(fault.Unreachable, err, "remove the key %s, which was made for nothing", p.KeyID)
		}
	}
	return f.withdraw(p.path)
}
