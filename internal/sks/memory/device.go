// Package memory is secure key storage in this process's memory, with software
// AES-256-GCM: for tests of what stands on sks.Store, and for the vectors of
// the sealed file. It misbehaves on request as real devices do.
package memory

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Device is a token. Its exported fields are what it is like, and may be
// changed between calls. Its methods may be called by several goroutines.
type Device struct {
	// Token is what it tells of itself.
	Token sks.Token
	// PIN is the one it accepts; "" accepts any.
	PIN string
	// IV is who makes IVs; 0 is sks.IVCaller.
	IV sks.IVConvention
	// NoGCM: AES/GCM does not work.
	NoGCM bool
	// Sick: keys are found, and every use of one fails with a code that tells
	// nothing.
	Sick bool
	// Away: nothing answers.
	Away bool
	// CannotRemember: no private data objects for this role.
	CannotRemember bool
	// Unsafe is what every key's attributes are found to be.
	Unsafe []string

	mu     sync.Mutex
	logins int
	keys   []*material
	marks  map[string]sks.Mark
}

// material is a key and the certificate beside it.
type material struct {
	info  sks.KeyInfo
	bytes []byte
	chain []byte
}

var _ sks.Dialer = (*Device)(nil)

// New makes an empty, initialised device of that label and serial number.
func New(label, serial string) *Device {
	return &Device{Token: sks.Token{
		Label: label, Serial: serial, Manufacturer: "ssovault", Model: "memory", Firmware: "1.0",
		Initialised: true, UserPINSet: true, GCM: true, KeyGen: true,
	}}
}

// Tokens gives this one token.
func (d *Device) Tokens(context.Context, string, sks.Timeouts) ([]sks.Token, error) {
	if d.Away {
		return nil, errAway()
	}
	return []sks.Token{d.Token}, nil
}

// Dial logs in, as the token's flags and the PIN allow. It wipes pin.
func (d *Device) Dial(_ context.Context, a sks.Access, pin secret.Value) (sks.Store, sks.Token, error) {
	defer pin.Wipe()
	t := d.Token
	switch {
	case d.Away:
		return nil, sks.Token{}, errAway()
	case t.Tries == sks.TriesLocked:
		return nil, t, fault.New(fault.PINLocked, "token %s: %s; no login was tried", t, t.Tries)
	case a.Unattended && (t.Tries == sks.TriesLow && !a.LowExplained || t.Tries == sks.TriesFinal):
		return nil, t, fault.New(fault.PINRefused, "token %s: %s; no login was tried", t, t.Tries)
	case a.Serial != "" && a.Serial != t.Serial && a.Label != t.Label:
		return nil, sks.Token{}, fault.New(fault.Unreachable, "token %q (serial %s) not found; the library sees: %s", a.Label, a.Serial, t)
	}
	t.Replaced = a.Serial != "" && a.Serial != t.Serial
	d.mu.Lock()
	d.logins++
	d.mu.Unlock()
	if d.PIN != "" && string(pin.Bytes()) != d.PIN {
		return nil, t, fault.Wrap(fault.PINRefused, pinIncorrect{t.Tries}, "log in to token %s", t)
	}
	return d.Store(), t, nil
}

// pinIncorrect is a refused login; see cryptoki.Coder.
type pinIncorrect struct{ tries sks.Tries }

func (e pinIncorrect) Error() string {
	return fmt.Sprintf("pkcs11: 0xA0: CKR_PIN_INCORRECT; %s", e.tries)
}

func (pinIncorrect) ReturnCode() uint { return cryptoki.PINIncorrect }

// Logins counts the logins that were tried.
func (d *Device) Logins() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logins
}

// Store gives a session with the device, logged in.
func (d *Device) Store() *Store { return &Store{device: d} }

// Replace puts other bytes in the place of the key of that id, as if another
// device answered for it.
func (d *Device) Replace(id sks.KeyID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.keys {
		if m.info.ID == id {
			m.bytes = newBytes()
		}
	}
}

// Duplicate adds a second key of that id.
func (d *Device) Duplicate(id sks.KeyID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = append(d.keys, &material{info: sks.KeyInfo{ID: id, Label: "duplicate"}, bytes: newBytes()})
}

// Import puts a key of known bytes into the device, for vectors that must come
// out the same for ever.
func (d *Device) Import(spec sks.NewKey, aes256 [32]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys = append(d.keys, &material{info: sks.KeyInfo{ID: spec.ID, Label: spec.Label}, bytes: aes256[:]})
}

// Clear forgets everything, as a partition that was initialised anew.
func (d *Device) Clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keys, d.marks = nil, nil
}

// Certificate gives the certificate beside a key; nil if none.
func (d *Device) Certificate(id sks.KeyID) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.keys {
		if m.info.ID == id {
			return slices.Clone(m.chain)
		}
	}
	return nil
}

// Labels gives the labels of all keys in order.
func (d *Device) Labels() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, m := range d.keys {
		all = append(all, m.info.Label)
	}
	slices.SortFunc(all, strings.Compare)
	return all
}

func newBytes() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	return b
}

func errAway() error { return fault.New(fault.Unreachable, "the memory device is away") }
