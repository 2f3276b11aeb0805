// Package sks is the vocabulary of secure key storage: what a token, a sealing
// key and a store of keys are, whatever device holds them. It knows no device;
// package p11 does.
package sks

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"ssovault/internal/secret"
)

// KeyID is the CKA_ID of a sealing key: 16 random bytes, chosen before the key
// is made, so that a key whose making was interrupted can be found again.
type KeyID [16]byte

// NewKeyID draws an id from the operating system's generator.
func NewKeyID() (id KeyID) {
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return id
}

// ParseKeyID reads 32 lower-case hexadecimal digits.
func ParseKeyID(s string) (id KeyID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) || hex.EncodeToString(b) != s {
		return id, fmt.Errorf("key id %q is not 32 lower-case hexadecimal digits", s)
	}
	copy(id[:], b)
	return id, nil
}

// String gives the id as 32 lower-case hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText and UnmarshalText carry the id through JSON as hexadecimal.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *KeyID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseKeyID(string(b))
	return err
}

// ErrPartLeft says that the making of a key failed, and that it could not be seen
// to whether it left anything.
var ErrPartLeft = errors.New("a part of it may be left in the token, without a name ('ssovault key delete --unnamed' removes such)")

// ErrRefused is what Open returns when the device would not open a box and its
// return code does not say why: a wrong key, altered bytes and a sick device
// all give CKR_GENERAL_ERROR on SoftHSM. Verdict finds out which it was.
var ErrRefused = errors.New("the HSM refused to open it")

// A Sealer encrypts and decrypts with one AES-256-GCM key. It makes its own
// IVs, so that no caller can repeat one (NIST SP 800-38D, 8.2.2).
type Sealer interface {
	// Convention tells how this token makes IVs, proven with this key in this
	// session. Cause NoGCM when no convention works.
	Convention(ctx context.Context) (IVConvention, error)
	// Seal gives the box of plaintext under the convention of this session. Its
	// length is that of the plaintext plus the convention's Overhead.
	Seal(ctx context.Context, plaintext, aad []byte) (box []byte, err error)
	// Open gives the plaintext of a box made under iv. It answers ErrRefused
	// where the device does not say why it would not.
	Open(ctx context.Context, iv IVConvention, box, aad []byte) (plaintext []byte, err error)
}

// KeyInfo says which key a Sealer uses.
type KeyInfo struct {
	ID    KeyID  `json:"id"`
	Label string `json:"label"`
	// Replicable: it may leave the token, wrapped by a trusted key alone.
	Replicable bool `json:"replicable,omitempty"`
	// Unsafe names attributes that a sealing key must not have, as read back
	// from the token: "extractable", "not sensitive" …
	Unsafe []string `json:"unsafe,omitempty"`
}

// A Key is a sealing key in a Store.
type Key interface {
	Sealer
	Info() KeyInfo
}

// NewKey says which key to make.
type NewKey struct {
	ID    KeyID
	Label string
	// Replicable lets the key leave the token wrapped by a key that the security
	// officer trusts (CKA_WRAP_WITH_TRUSTED), and in no other way.
	Replicable bool
}

// A Store holds sealing keys. Its methods may be called by one goroutine at a
// time.
type Store interface {
	// Key finds the one key of that id. Cause KeyMissing, KeyAmbiguous, or
	// Unreachable; never KeyMissing because a session or login was lost. Its Info
	// may hold the id alone, since each attribute costs calls at every start;
	// Keeper.List reads them.
	Key(ctx context.Context, id KeyID) (Key, error)
	// Create makes an AES-256 key that cannot leave the token, reads its
	// attributes back and proves AES/GCM with it. After a lost answer it looks
	// for the id before it says that the key was not made.
	Create(ctx context.Context, spec NewKey) (Key, error)
	// Close ends the session. The Store must not be used afterwards.
	Close() error
}

// Mark is what a device remembers of the newest save: enough to recognise an
// older one.
type Mark struct {
	Generation uint64 `json:"generation"`
	SaveID     string `json:"save_id"` // 32 lower-case hexadecimal digits
}

// Check makes sure that m can be remembered: a generation from 1 on, and a
// whole save-id.
func (m Mark) Check() error {
	if m.Generation == 0 {
		return errors.New("generations begin with 1")
	}
	if _, err := ParseKeyID(m.SaveID); err != nil { // of the same form
		return fmt.Errorf("save-id %q is not 32 lower-case hexadecimal digits", m.SaveID)
	}
	return nil
}

// A Rememberer is a Store that can remember the newest save of an instance. A
// token or role that cannot is no Rememberer's fault: it answers
// ErrCannotRemember.
type Rememberer interface {
	// Recall gives the highest mark of the instance; the zero Mark if none.
	Recall(ctx context.Context, instance string) (Mark, error)
	// Remember makes m the mark of the instance. The new mark is stored before
	// older ones are removed.
	Remember(ctx context.Context, instance string, m Mark) error
}

// ErrCannotRemember says that the token, or the role that is logged in, holds
// no private data objects: a rollback is then not detected.
var ErrCannotRemember = errors.New("the HSM cannot remember a generation for this role")

// A Keeper is a Store that keeps a certificate beside a key, and can remove
// what was made for nothing.
type Keeper interface {
	// KeepCertificate makes der the only certificate beside the key.
	KeepCertificate(ctx context.Context, id KeyID, label string, der []byte) error
	// Remove deletes the key of that id and the certificates beside it. It is
	// no error when there are none.
	Remove(ctx context.Context, id KeyID) error
	// List gives the sealing keys whose label begins with prefix.
	List(ctx context.Context, prefix string) ([]KeyInfo, error)
}

// Role says as whom the service logs in.
type Role string

// The roles. A Luna's Crypto Officer is RoleUser (CKU_USER); its Crypto User
// may use keys, but neither make nor remember anything.
const (
	RoleUser       Role = "user"
	RoleCryptoUser Role = "cu"
	// RoleSO is the security officer, who owns a token but no keys: never the
	// service.
	RoleSO Role = "so"
)

// Access says how to reach a token, and as whom.
type Access struct {
	Library string // absolute path of the PKCS#11 library
	Serial  string
	Label   string
	Role    Role
	// Serialise holds a machine-wide lock while the token is used: SoftHSM
	// rewrites its token file at every login and is not safe under parallel
	// processes.
	Serialise bool
	// Unattended forbids a login when the token says that few tries are left:
	// ten refused ones lock a Luna role for every tenant.
	Unattended bool
	// LowExplained: a refusal of our own explains that the token counts one
	// (CKF_USER_PIN_COUNT_LOW), and its source has changed since; an unattended
	// login is allowed once more, unless it is the final try.
	LowExplained bool
	Timeouts     Timeouts
}

// Timeouts are the deadlines of one call to the device, by class.
type Timeouts struct {
	Question time.Duration // lists and look-ups
	Use      time.Duration // login, encrypt, decrypt
	Make     time.Duration // generate, wrap, initialise
}

// DefaultTimeouts are the deadlines where sks.properties names none. A Luna
// whose network is gone answers after minutes by itself.
var DefaultTimeouts = Timeouts{Question: 10 * time.Second, Use: 30 * time.Second, Make: 180 * time.Second}

// WithDefaults gives t with the default for each deadline that it does not name.
func (t Timeouts) WithDefaults() Timeouts {
	for _, d := range []struct {
		have *time.Duration
		or   time.Duration
	}{
		{&t.Question, DefaultTimeouts.Question},
		{&t.Use, DefaultTimeouts.Use},
		{&t.Make, DefaultTimeouts.Make},
	} {
		if *d.have <= 0 {
			*d.have = d.or
		}
	}
	return t
}

// A Dialer reaches a token and logs in. It takes the PIN over and wipes it.
type Dialer interface {
	// Tokens lists what the library sees, without a login.
	Tokens(ctx context.Context, library string, t Timeouts) ([]Token, error)
	// Dial logs in once. Cause Unreachable, PINRefused, PINLocked,
	// PINUnavailable (expired), DeviceLockedDown. The Token is told even with a
	// refused PIN, with what its flags say then; its GCM and KeyGen are not read.
	Dial(ctx context.Context, a Access, pin secret.Value) (Store, Token, error)
}
