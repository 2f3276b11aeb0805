// Package admin is what an administrator does to a token: look at it,
// initialise it, change PINs, make, change and delete keys. The library runs in
// a process of its own, as for sealing; crypto11 has no part in it.
package admin

import (
	"context"
	"fmt"
	"os"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/isolate"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Client starts the processes. Its zero value is ready.
type Client isolate.Program

// Open starts a process for a library, which is loaded at the first question.
// The caller closes the Device. Causes Unreachable, NotPermitted where others
// could change the library.
func (c *Client) Open(library string, t sks.Timeouts) (*Device, error) {
	p, err := protocol.Start(isolate.Program(*c), library)
	if err != nil {
		return nil, err
	}
	return &Device{process: p, library: library, timeouts: t.WithDefaults()}, nil
}

// Device is a library in a process of its own. It does one thing at a time. A
// call that fails with cause Unreachable may have been carried out.
type Device struct {
	process  *isolate.Process
	library  string
	timeouts sks.Timeouts
	begun    bool
}

// afterwards is what to do when the answer to a call is missing that is not taken
// back: after an interruption the process finishes it (see isolate), and a token
// may fail once it has done it.
var afterwards = map[op]string{
	opInitialise: "the token may have been initialised, its keys lost: 'ssovault hsm slots' shows it",
	opSet:        "the key may have been changed: 'ssovault key show' shows it",
	opDelete:     "the key may have been deleted: 'ssovault key list' shows what is there",
}

// ask asks the process one thing.
func (d *Device) ask(ctx context.Context, within time.Duration, req request, payload ...[]byte) (resp response, out []byte, err error) {
	req.Library, req.Wait = d.library, within/2
	out, err = d.process.Do(ctx, isolate.Call{Doing: doing[req.Op], Within: within, Ask: &req, Payload: payload}, &resp)
	err = sks.Unreached(err, d.library, os.Geteuid())
	if advice := afterwards[req.Op]; advice != "" {
		c := fault.Of(err)
		if c == fault.Interrupted || c == fault.Unreachable && (resp.Making.Begun || d.process.Ailing()) {
			err = (&fault.Error{Cause: c, Err: err}).With(advice)
		}
	}
	return resp, out, err
}

// making asks for an object that stays.
func (d *Device) making(ctx context.Context, within time.Duration, req request, payload ...[]byte) (response, error) {
	resp, _, err := d.ask(ctx, within, req, payload...)
	d.begun = d.begun || resp.Making.Begun || d.process.Ailing()
	if err != nil && resp.Making.Left != "" {
		err = &PartLeft{Err: err, Why: resp.Making.Left}
	}
	return resp, err
}

// Begun tells whether the token may have been asked for an object that stays: not
// where all that failed came before, or was a trial that ends with the session.
func (d *Device) Begun() bool { return d.begun }

// PartLeft is a making that failed as Err says, and may have left a part of the
// object in the token. It is sks.ErrPartLeft too.
type PartLeft struct {
	Err error
	Why string // it could not be seen to
}

func (p *PartLeft) Error() string   { return fmt.Sprintf("%v; %v: %s", p.Err, sks.ErrPartLeft, p.Why) }
func (p *PartLeft) Unwrap() []error { return []error{p.Err, sks.ErrPartLeft} }

// Tokens lists what the library shows, and says what it is, without a login.
func (d *Device) Tokens(ctx context.Context) (Library, []Token, error) {
	resp, _, err := d.ask(ctx, d.timeouts.Question, request{Op: opTokens})
	return resp.About, resp.Tokens, err
}

// Mechanisms lists what the token in a slot offers.
func (d *Device) Mechanisms(ctx context.Context, slot uint) ([]Mechanism, error) {
	resp, _, err := d.ask(ctx, d.timeouts.Question, request{Op: opMechanisms, Slot: slot})
	return resp.Mechanisms, err
}

// Login logs in once to the token of a serial number, after its flags were seen
// to allow it, and wipes the PIN. The token is told also when it refused, with
// what its flags say then. Causes Unreachable, PINRefused, PINLocked,
// PINUnavailable, DeviceLockedDown.
func (d *Device) Login(ctx context.Context, l Login, pin secret.Value) (Token, error) {
	t, _, err := d.TryLogin(ctx, l, pin)
	return t, err
}

// TryLogin is Login for who must know whether the token may have seen the PIN.
func (d *Device) TryLogin(ctx context.Context, l Login, pin secret.Value) (t Token, tried bool, err error) {
	defer pin.Wipe()
	resp, _, err := d.ask(ctx, 2*d.timeouts.Use, request{Op: opLogin, Login: l}, pin.Bytes())
	if err == nil && resp.Token == nil {
		err = fault.New(fault.Unreachable, "%s: the helper process answered nonsense: no token", doing[opLogin])
	}
	if resp.Token != nil {
		t = *resp.Token
	}
	return t, resp.Tried || d.process.Ailing(), err
}

// Initialise makes a token of a slot: C_InitToken with the label, then the user
// PIN. The new state of the token is told. seen is the token as it was shown;
// another one in that slot is refused. Causes Unreachable, Usage, PINRefused,
// PINLocked.
func (d *Device) Initialise(ctx context.Context, seen Token, label string, p InitPINs) (Token, error) {
	defer p.Wipe()
	req := request{Op: opInitialise, Login: Login{Serial: seen.Serial, Serialise: d.serialise(seen)}, Slot: seen.Slot, Flag: seen.Initialised, Label: label,
		Cuts: []int{p.SO.Len(), p.NewSO.Len()}}
	resp, _, err := d.ask(ctx, d.timeouts.Make, req, p.SO.Bytes(), p.NewSO.Bytes(), p.User.Bytes())
	if err == nil && resp.Token == nil {
		err = fault.New(fault.Unreachable, "%s: the helper process answered nonsense: no token", doing[opInitialise])
	}
	if resp.Token == nil {
		return Token{}, err
	}
	return *resp.Token, err
}

func (d *Device) serialise(t Token) bool { return sks.VendorOf(d.library, t.Token).Serialise }

// InitPINs are the PINs of a new token. NewSO is empty unless the token wants
// the security officer's first PIN changed before anything else.
type InitPINs struct{ SO, NewSO, User secret.Value }

// Wipe overwrites them.
func (p InitPINs) Wipe() {
	p.SO.Wipe()
	p.NewSO.Wipe()
	p.User.Wipe()
}

// SetPIN changes the PIN of the user that is logged in. It wipes neither.
func (d *Device) SetPIN(ctx context.Context, old, next secret.Value) error {
	_, _, err := d.ask(ctx, d.timeouts.Use, request{Op: opSetPIN, Cuts: []int{old.Len()}}, old.Bytes(), next.Bytes())
	return err
}

// ResetPIN gives the user a new PIN; the security officer is logged in.
func (d *Device) ResetPIN(ctx context.Context, next secret.Value) error {
	_, _, err := d.ask(ctx, d.timeouts.Use, request{Op: opResetPIN}, next.Bytes())
	return err
}

// Keys lists the keys that the login shows: those whose label is as given, or
// all, with what is Unreadable. The check values are read; calculate also has those calculated that the
// token does not tell.
func (d *Device) Keys(ctx context.Context, label string, calculate bool) ([]Key, error) {
	_, out, err := d.ask(ctx, d.timeouts.Make, request{Op: opKeys, Label: label, Flag: calculate})
	if err != nil {
		return nil, err
	}
	var l keyList
	if err := isolate.Decode(out, &l); err != nil {
		return nil, fault.Wrap(fault.Unreachable, err, "%s: the helper process answered nonsense", doing[opKeys])
	}
	return l.keys, nil
}

// Generate makes a key, reads its attributes back, and removes it again when
// they are not those that were asked for. Causes Usage (the token does not make
// such a key), Unreachable.
func (d *Device) Generate(ctx context.Context, k NewKey) (Key, error) {
	resp, err := d.making(ctx, d.timeouts.Make, request{Op: opGenerate, New: &k})
	return resp.key(err, opGenerate)
}

// Set gives a key other attributes, and tells those that it then has.
func (d *Device) Set(ctx context.Context, k Key, on, off hsm.Attributes) (Key, error) {
	resp, _, err := d.ask(ctx, d.timeouts.Use, request{Op: opSet, Handle: k.Handle, On: on, Off: off})
	return resp.key(err, opSet)
}

// Delete removes a key.
func (d *Device) Delete(ctx context.Context, k Key) error {
	_, _, err := d.ask(ctx, d.timeouts.Use, request{Op: opDelete, Handle: k.Handle})
	return err
}

// Ailing tells whether the process failed and is no more.
func (d *Device) Ailing() bool { return d.process.Ailing() }

// Close ends the session, or the process when that takes longer than a question
// may.
func (d *Device) Close() error {
	if d.process.Ailing() {
		return nil // killed and reaped when it failed
	}
	_, _, err := d.ask(context.Background(), d.timeouts.Question, request{Op: opClose})
	d.process.End(d.timeouts.Question)
	return err
}
