package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// readers gives who reads PINs here: BASE/sks.pin is that of the install folder.
func (v *visit) readers() (pin.Reader, error) {
	if v.folder == nil {
		return v.pins(vault.Layout{}, os.Geteuid()), nil
	}
	return v.folder.PresentPINs(v.pins(v.folder.Layout, v.folder.Owner.UID))
}

// read reads a PIN from a source, or asks for it.
func (v *visit) read(ctx context.Context, s pin.Source, question, flag string) (secret.Value, error) {
	pins, err := v.readers()
	if err != nil {
		return secret.Value{}, err
	}
	switch {
	case s == pin.Default && v.folder == nil:
		return secret.Value{}, fault.New(fault.Usage, "%s file: there is no install folder, whose sks.pin that would be", flag).With("name the file: file:PATH, or the folder with --base")
	case s.Attended() && pins.Prompt == nil:
		return secret.Value{}, fault.New(fault.Usage, "the %s is needed, and there is no terminal to ask on", question).With("say where it comes from: " + flag + " SOURCE")
	}
	return pins.Read(ctx, s, question)
}

// question asks for a role's PIN, and says what the token's flags say of it.
func (v *visit) question(role sks.Role) (question, flag string) {
	question, flag = "PIN of the token "+oneLine(v.token.Label), "--pin-source"
	if role == sks.RoleSO {
		question, flag = "security officer's "+question, "--so-pin-source"
	}
	if tries := v.token.For(role).Tries; tries != sks.TriesUnknown {
		question += " (" + tries.String() + ")"
	}
	return question, flag
}

// login logs in to the token, once, with the PIN from where it is to come.
func (v *visit) login(ctx context.Context, role sks.Role) error {
	source, value, err := v.pinFor(ctx, role)
	if err != nil {
		return err
	}
	return v.loginWith(ctx, role, source, value, false)
}

// pinFor reads the PIN of a role, to be wiped, unless the token could not be
// logged in to anyway.
func (v *visit) pinFor(ctx context.Context, role sks.Role) (source pin.Source, value secret.Value, err error) {
	if err := v.ready(); err != nil {
		return source, value, err
	}
	// A token that is locked is not even asked for.
	if err := sks.MayLogIn(sks.Access{Role: role}, v.token.For(role)); err != nil {
		return source, value, err
	}
	user, so, err := v.sources()
	if err != nil {
		return source, value, err
	}
	source = user
	if role == sks.RoleSO {
		source = so
	}
	question, flag := v.question(role)
	value, err = v.read(ctx, source, question, flag)
	return source, value, err
}

// loginWith logs in with a PIN that was read from a source, under the rules for
// starts: nobody is asked, and nothing is tried that was refused before, unless
// a person typed it. It wipes the PIN.
func (v *visit) loginWith(ctx context.Context, role sks.Role, source pin.Source, value secret.Value, evenExpired bool) error {
	defer value.Wipe()
	l := admin.Login{Serial: v.token.Serial, Slot: v.token.Slot, Role: role, EvenExpired: evenExpired,
		Serialise: sks.VendorOf(v.device.library, v.token.Token).Serialise}
	try := func(access sks.Access) (sks.Token, error) {
		l.Unattended, l.LowExplained = access.Unattended, access.LowExplained
		t, err := v.Login(ctx, l, value)
		return t.Token, err
	}
	if source.Attended() {
		_, err := try(sks.Access{})
		return sks.Typed(err)
	}
	return v.once(ctx, role, source, try)
}

// once tries a PIN that nobody types under the rules for starts.
func (v *visit) once(ctx context.Context, role sks.Role, source pin.Source, try func(sks.Access) (sks.Token, error)) error {
	f, err := v.state(&v.site)
	if err != nil {
		return err
	}
	pins, err := v.readers()
	if err != nil {
		return err
	}
	as := vault.SKS{Serial: v.token.Serial, Label: v.token.Label, Role: role, PIN: source, Timeouts: sks.Timeouts{}.WithDefaults()}
	_, err = f.Once(ctx, as, vault.Device{PINs: pins, TryPIN: v.tryPIN, Now: v.now}, try)
	return err
}

// readTwice reads a new PIN: from its source, or typed twice. One that the token
// would refuse for its length is not typed again.
func (v *visit) readTwice(ctx context.Context, s pin.Source, question, flag string) (secret.Value, error) {
	first, err := v.read(ctx, s, question, flag)
	if err != nil || !s.Attended() {
		return first, err
	}
	if err := fits(v.token, first, "the "+question); err != nil {
		first.Wipe()
		return secret.Value{}, err
	}
	second, err := v.read(ctx, s, question+", again", flag)
	defer second.Wipe()
	if err == nil && !first.Equal(second) {
		err = fault.New(fault.Usage, "the two are not the same").With("nothing was changed; try again")
	}
	if err != nil {
		first.Wipe()
		return secret.Value{}, err
	}
	return first, nil
}

// fits refuses a new PIN whose length the token does not take.
func fits(t admin.Token, p secret.Value, whose string) error {
	n := uint(p.Len())
	if n == 0 {
		return fault.New(fault.Usage, "%s is empty", whose).With("nothing was changed")
	}
	name, characters := oneLine(t.String()), "characters"
	if !t.Initialised {
		name = fmt.Sprintf("in slot %d", t.Slot)
	}
	if n == 1 {
		characters = "character"
	}
	if n < t.MinPIN || t.MaxPIN > 0 && n > t.MaxPIN {
		return fault.New(fault.Usage, "%s has %d %s; the token %s takes %d to %d", whose, n, characters, name, t.MinPIN, t.MaxPIN).With("nothing was changed")
	}
	if bytes.IndexByte(p.Bytes(), 0) >= 0 {
		return fault.New(fault.Usage, "%s holds a zero byte", whose)
	}
	return nil
}

// confirmName lets a person type a name before something that cannot be undone.
func (a *app) confirmName(ctx context.Context, yes bool, what, name string) error {
	if yes {
		return nil
	}
	if !a.attended() {
		return fault.New(fault.Usage, "%s: %q has to be typed, and standard input is no terminal", what, name).With("say --yes")
	}
	q, err := a.questions(ctx)
	if err != nil {
		return err
	}
	defer q.close()
	q.say("%s.", what)
	answer, err := q.ask("Type "+oneLine(name)+" to go on", "")
	if err == nil && answer != name {
		err = fault.New(fault.Usage, "that is not its name; nothing was changed")
	}
	return err
}
