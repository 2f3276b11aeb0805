package vault

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
)

// A change of PIN cannot be one step: each token has its own, and the stored
// source follows. So the new PIN lies in a file of mode 0600 before the first
// token is asked to change, and a journal says how far each member has come.
// After a crash, a lost answer or the death of a member, whoever resumes knows
// both PINs, and which of them a member was tried with.

// PINChange is a change of PIN that is under way: BASE/run/pin-change.json.
type PINChange struct {
	Version int       `json:"version"`
	Began   time.Time `json:"began"`
	// Reset: the security officer gives the users a new PIN.
	Reset bool `json:"reset,omitempty"`
	// Source is the stored source that follows once the member of serial Follows
	// has the new PIN; empty where none is to.
	Source  string `json:"source,omitempty"`
	Follows string `json:"follows,omitempty"`
	// Followed: it has the new PIN.
	Followed bool        `json:"followed,omitempty"`
	Members  []PINMember `json:"members"`

	folder *Folder
	fresh  bool // began in this run
}

// PINMember is one of the tokens that are to have the new PIN.
type PINMember struct {
	Library string `json:"library"`
	Label   string `json:"label"`
	Serial  string `json:"serial"`
	// Has is the PIN that it has, as far as is known.
	Has PINHeld `json:"has"`
	// Trying is the PIN of a login whose answer is not known yet, Setting a change
	// whose answer is not.
	Trying  PINHeld `json:"trying,omitempty"`
	Setting bool    `json:"setting,omitempty"`
	// Asked: it was asked to take the new PIN, so that it may have it.
	Asked bool     `json:"asked,omitempty"`
	New   PINTries `json:"new"`
	Old   PINTries `json:"old"`

	refusal error // the last one of this run
}

// String names the token.
func (m PINMember) String() string { return m.Label + " (serial " + m.Serial + ")" }

// PINHeld says which PIN is meant.
type PINHeld string

// The PINs of a change. Of a reset, the old one is the security officer's.
const (
	PINOld     PINHeld = "old"
	PINNew     PINHeld = "new"
	PINUnknown PINHeld = "unknown"
)

// PINTries is what became of the logins with one PIN.
type PINTries struct {
	Refused bool `json:"refused,omitempty"`
	// Lost counts the logins whose answer was lost: each may have cost a try.
	Lost int `json:"lost,omitempty"`
}

// maxLost is how often a login is tried of which no answer came.
const maxLost = 2

// allowed: a PIN that was refused is never tried again.
func (t PINTries) allowed() bool { return !t.Refused && t.Lost < maxLost }

const (
	pinChangeVersion = 1
	maxPINChange     = 64 << 10
	maxMembers       = 64
	maxPIN           = 1024
)

func (l Layout) pinChange() string { return l.Run("pin-change.json") }
func (l Layout) newPIN() string    { return l.Run("pin-change.pin") }

// oldPIN is what the stored source held, while a token still has it after the
// source followed.
func (l Layout) oldPIN() string { return l.Run("pin-change.old") }

// PINChange gives the change that is under way, or nil. Cause Malformed.
func (f *Folder) PINChange() (*PINChange, error) {
	b, err := durable.Read(f.pinChange(), maxPINChange)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &PINChange{folder: f}
	if err := parsePINChange(b, c); err != nil {
		return nil, fault.Wrap(fault.Malformed, err, "read %s", f.pinChange())
	}
	return c, nil
}

// parsePINChange reads a journal.
func parsePINChange(b []byte, c *PINChange) error {
	if err := json.Unmarshal(b, c); err != nil {
		return err
	}
	if c.Version != pinChangeVersion {
		return errors.New("written by a newer version of ssovault")
	}
	if len(c.Members) == 0 || len(c.Members) > maxMembers {
		return errors.New("a change of the PIN of no token, or of too many")
	}
	if c.Source != "" {
		if _, err := c.path(); err != nil {
			return err
		}
	}
	for _, m := range c.Members {
		switch {
		case m.Serial == "" || !filepath.IsAbs(m.Library):
			return errors.New("a token without its serial number or library")
		case m.Has != PINOld && m.Has != PINNew && m.Has != PINUnknown,
			m.Trying != "" && m.Trying != PINOld && m.Trying != PINNew,
			m.New.Lost < 0 || m.Old.Lost < 0:
			return errors.New("a token in no state that there is")
		}
	}
	return nil
}

// path is the file that follows.
func (c *PINChange) path() (string, error) {
	s, err := pin.ParseSource(c.Source)
	switch {
	case err != nil:
		return "", err
	case s == pin.Default && c.folder != nil:
		return c.folder.PINFile(), nil
	case s == pin.Default:
		return "", nil
	case s.Kind != pin.KindFile || !filepath.IsAbs(s.Arg):
		return "", errors.New("a stored source that is no file")
	}
	return s.Arg, nil
}

// BeginPINChange writes the new PIN and the journal. The folder is locked for
// Change. Cause Usage when a change is under way.
func (f *Folder) BeginPINChange(c PINChange, next secret.Value) (*PINChange, error) {
	had, err := f.PINChange()
	if err != nil {
		return nil, err
	}
	if had != nil {
		return nil, fault.New(fault.Usage, "a change of the PIN of %s is under way", had.Members[0]).With("finish it first: 'ssovault hsm pin resume'")
	}
	if err := f.SweepPINChange(); err != nil {
		return nil, err
	}
	if err := durable.Create(f.newPIN(), next.Bytes()); err != nil {
		return nil, err
	}
	c.Version, c.folder, c.fresh = pinChangeVersion, f, true
	if err := durable.SyncFolder(f.Run("")); err != nil {
		return nil, errors.Join(err, durable.Remove(f.newPIN()))
	}
	if err := c.write(); err != nil {
		_ = c.end() // nothing was changed
		return nil, err
	}
	return &c, nil
}

// SweepPINChange removes what a change left that was cut off before it began.
func (f *Folder) SweepPINChange() error {
	for _, path := range []string{f.newPIN(), durable.Beside(f.pinChange())} {
		if err := durable.Remove(path); err != nil {
			return err
		}
	}
	return durable.SyncFolder(f.Run(""))
}
