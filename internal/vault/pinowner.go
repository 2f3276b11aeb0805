package vault

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
)

// A restore may bring back files of another token than the one whose PIN lies in
// BASE/sks.pin. What was known then, run/pin-of.json keeps: no later start spends
// a try of the other token on that PIN.

// pinOwner says whose PIN lies in BASE/sks.pin.
type pinOwner struct {
	Token string `json:"token"` // serial
	Label string `json:"label"`
	// Identity is the state of the source of which that is known; see
	// pin.Reader.Identity. Nothing is known of another one.
	Identity string `json:"identity"`
}

// maxPINOwner bounds that file.
const maxPINOwner = 4 << 10

func (l Layout) pinOwner() string { return l.Run(pinOwnerFile) }

const pinOwnerFile = "pin-of.json"

// ForeignPIN answers PINUnavailable where a login to the token of s would use
// BASE/sks.pin, and that is known to hold the PIN of another token. present is the
// configuration that the file was written for, nil: whoever asks does not know.
func (f *Folder) ForeignPIN(present *SKS, s SKS, pins pin.Reader) error {
	if s.PIN != pin.Default {
		return nil
	}
	owner, err := f.ownerOfPIN(present, pins)
	if err != nil || owner == nil || owner.Token == s.Serial {
		return err
	}
	kept, err := f.KeptPINs()
	if err != nil {
		return err
	}
	advice := "put its own PIN into " + f.PINFile() + ", or name the file that holds it: --pin-source file:PATH"
	if len(kept) > 0 {
		advice += " (kept: " + strings.Join(kept, ", ") + ")"
	}
	return fault.New(fault.PINUnavailable, "%s holds the PIN of the token %q (serial %s); no login was tried with it to the token %q (serial %s)",
		filepath.Base(f.PINFile()), owner.Label, owner.Token, s.Label, s.Serial).With(advice)
}

// KeepPINOwner remembers whose PIN lies in BASE/sks.pin before the files of
// another token take the place of the present ones. It does nothing where they
// would not use that file, or nothing is known of it.
func (f *Folder) KeepPINOwner(present *SKS, s SKS, pins pin.Reader) error {
	if s.PIN != pin.Default {
		return nil
	}
	owner, err := f.ownerOfPIN(present, pins)
	if err != nil || owner == nil || owner.Token == s.Serial {
		return err
	}
	b, err := json.Marshal(owner)
	if err != nil {
		return err
	}
	if err := durable.MakeFolder(f.Run("")); err != nil {
		return err
	}
	return durable.Replace(f.pinOwner(), append(b, '\n'))
}

// ownerOfPIN gives whose PIN lies in BASE/sks.pin as that is now: as it was
// remembered, else the token of the present configuration. Nil: nobody knows, or
// there is none.
func (f *Folder) ownerOfPIN(present *SKS, pins pin.Reader) (*pinOwner, error) {
	identity := pins.Identity(pin.Default)
	if identity == pin.Default.String() {
		return nil, nil // no such file
	}
	had, err := f.readPINOwner()
	switch {
	case err != nil:
		return nil, err
	case had != nil && had.Identity == identity:
		return had, nil
	case present != nil && present.PIN == pin.Default:
		return &pinOwner{present.Serial, present.Label, identity}, nil
	}
	return nil, nil
}

// readPINOwner gives what is remembered; nil when nothing is. What cannot be read
// counts as somebody else's PIN.
func (f *Folder) readPINOwner() (*pinOwner, error) {
	b, err := durable.Read(f.pinOwner(), maxPINOwner)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var o pinOwner
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		return nil, &fault.Error{Op: "find out whose PIN lies in " + f.PINFile() + ", " + f.pinOwner(), Cause: fault.PINUnavailable, Err: err,
			Advice: "delete " + f.pinOwner() + " once " + f.PINFile() + " is known to hold the PIN of the present token"}
	}
	return &o, nil
}

// fits forgets what is remembered of a PIN that has just let somebody in to
// another token: it is that one's, too.
func (f *Folder) fits(s SKS, identity string) {
	if had, err := f.readPINOwner(); s.PIN == pin.Default && (err != nil || had != nil && had.Identity == identity && had.Token != s.Serial) {
		_ = durable.Remove(f.pinOwner()) // at worst said again
	}
}
