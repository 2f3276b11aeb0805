package vault

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/keystore"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Rekeying puts the settings of a folder under a new key: in the token that
// holds the present one (a rotation), or in another (a migration; also from the
// clear). The present key and its token are left as they are.
type Rekeying struct {
	Contents *Contents // what lies in the folder
	Settings Settings  // opened; they stay as they are
	// SKS is how the new key will be reached. Its key is for Rekey to fill.
	SKS SKS
	// Newest is the highest generation that the token before remembers.
	Newest     uint64
	Replicable bool // see Plan
	// PIN becomes BASE/sks.pin, unless it is empty.
	PIN secret.Value
	Now time.Time
}

// Rekeyed is what a rekeying came to.
type Rekeyed struct {
	Outcome
	// KeptPIN is where a PIN is kept that BASE/sks.pin held before, or "".
	KeptPIN string
	// NoCertificate says why no certificate lies beside the new key, or nil.
	NoCertificate error
}

// CanRotate answers Usage for settings in the clear, and NotPermitted for a
// role that uses keys but cannot make one.
func (c *Contents) CanRotate() error {
	switch {
	case c.Mode != ModeSealed:
		return fault.New(fault.Usage, "the settings lie in the clear (secure key storage is off): there is no key to rotate").
			With("'ssovault migrate --to TOKEN' seals them")
	case c.SKS.Role == sks.RoleCryptoUser:
		return fault.New(fault.NotPermitted, "the service logs in as a Crypto User (sks.role=cu), who can use a key but not make one").
			With("'ssovault -config --new-key' asks for the password of the user (a Luna's Crypto Officer), who can")
	}
	return nil
}

// CanMigrate answers Usage when the token is the one that seals already.
func (c *Contents) CanMigrate(to sks.Token) error {
	if c.Mode == ModeSealed && c.SKS.Serial == to.Serial {
		return fault.New(fault.Usage, "the settings are sealed in the token %s already", to).
			With("for a new key there: ssovault rotate")
	}
	return nil
}

// instance is the number of the instance, which names keys and backups.
func (r Rekeying) instance() (string, error) {
	n := r.Settings.InstanceNumber()
	if len(n) != 12 || strings.Trim(n, "0123456789") != "" {
		return "", fault.New(fault.Malformed, "the settings have no instance number of 12 digits").
			With("configure with 'ssovault -config'")
	}
	return n, nil
}

// Would gives the label that the new key would have. It changes nothing; what
// an earlier run made for nothing counts as gone.
func (f *Folder) Would(ctx context.Context, r Rekeying, store sks.Store, token sks.Token) (label string, err error) {
	instance, err := r.instance()
	if err != nil {
		return "", err
	}
	pending, err := f.Pending()
	if err != nil {
		return "", err
	}
	var but []sks.KeyID
	for _, p := range pending {
		if p.Serial != token.Serial || p.KeyID == r.Contents.SKS.KeyID {
			continue
		}
		orphan, err := f.isOrphan(ctx, store, p)
		if err != nil {
			return "", err
		}
		if orphan {
			but = append(but, p.KeyID)
		}
	}
	return nextLabel(ctx, store, instance, but...)
}

// Rekey makes the new key and one save under it, which is opened before it
// counts. store is logged in, as the user, to the token of the new key. Errors
// as Configure's: unless Holds says so, everything is as it was.
func (f *Folder) Rekey(ctx context.Context, r Rekeying, store sks.Store, token sks.Token) (out Rekeyed, err error) {
	if _, err := r.instance(); err != nil {
		return out, err
	}
	s := r.SKS.WithoutKey()
	s.Label, s.Serial = token.Label, token.Serial
	p := Plan{Settings: r.Settings, SKS: &s, PIN: r.PIN, Present: r.Contents, Generation: r.Newest, Replicable: r.Replicable, Now: r.Now}
	p.Leaf, out.NoCertificate = f.Leaf(r.Settings)
	if out.KeptPIN, err = f.keepReplacedPIN(r.PIN, r.Now); err != nil {
		return out, err
	}
	out.Outcome, err = f.Configure(ctx, p, store, token)
	return out, err
}

// Holds tells whether the folder is of the save that an Outcome speaks of: it
// may be although the device could not be told, or the last rename failed.
func (f *Folder) Holds(out Outcome) bool {
	now, err := f.Scan(BoundMatch)
	return err == nil && now.Mode == ModeSealed && now.Mark() == out.Mark
}

// Leaf gives the server's certificate from the key store in data/, which Scan
// has compared with the one that was configured.
func (f *Folder) Leaf(s Settings) ([]byte, error) {
	name := s.Bound.KeyStore.Name
	if name == "" {
		return nil, errors.New("there is no key store in data/")
	}
	content, err := durable.Read(f.Data(name), keystore.MaxSize)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe(content)
	text, _ := s.Shared.Get("key_store_password")
	password := secret.New([]byte(text))
	defer password.Wipe()
	chain, err := keystore.OpenChain(content, password)
	if err != nil {
		return nil, err
	}
	return chain.Certificates[0].Raw, nil
}

// keepReplacedPIN keeps another PIN that BASE/sks.pin holds, when a save is
// about to replace it: backups made until now need it.
func (f *Folder) keepReplacedPIN(pin secret.Value, now time.Time) (string, error) {
	if pin.Len() == 0 {
		return "", nil
	}
	there, err := durable.Exists(f.PINFile())
	if err != nil || !there {
		return "", err
	}
	b, err := durable.Read(f.PINFile(), maxFile)
	if err != nil {
		return "", err
	}
	had := secret.New(bytes.TrimSuffix(b, []byte("\n")))
	defer had.Wipe()
	if had.Equal(pin) {
		return "", nil
	}
	return f.KeepPIN(KeptSuffix(now))
}
