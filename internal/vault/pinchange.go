package vault

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
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
	Trying  PINHeld  `json:"trying,omitempty"`
	Setting bool     `json:"setting,omitempty"`
	New     PINTries `json:"new"`
	Old     PINTries `json:"old"`
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

// NewPIN reads the new PIN; fs.ErrNotExist when its file is gone or empty. The
// caller wipes it.
func (c *PINChange) NewPIN() (secret.Value, error) {
	b, err := durable.Read(c.folder.newPIN(), maxPIN)
	if err == nil && len(b) == 0 {
		err = fs.ErrNotExist
	}
	return secret.New(b), err
}

// write syncs the journal.
func (c *PINChange) write() error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(c.folder.pinChange(), append(b, '\n'))
}

// Settled tells whether every member has the new PIN, and its stored source.
func (c *PINChange) Settled() bool {
	return c.allNew() && (c.Source == "" || c.Followed)
}

func (c *PINChange) allNew() bool {
	for _, m := range c.Members {
		if m.Has != PINNew {
			return false
		}
	}
	return true
}

// LeaveOut takes a member out of the change, as it is: by label or serial
// number. Cause Usage when none or several are meant. Without members the change
// is ended. kept names the file in which a PIN is kept that this token may have,
// "" for none.
func (c *PINChange) LeaveOut(name string) (kept string, err error) {
	var left []PINMember
	for _, m := range c.Members {
		if m.Serial != name && m.Label != name {
			left = append(left, m)
		}
	}
	if len(left) != len(c.Members)-1 {
		return "", fault.New(fault.Usage, "%q names %d of the tokens whose PIN is being changed, not one", name, len(c.Members)-len(left))
	}
	if kept, err = c.keepBeside(); err != nil {
		return "", err
	}
	return kept, c.leave(left)
}

// keepBeside keeps the old PIN where the end of the change does not remove it.
func (c *PINChange) keepBeside() (string, error) {
	old, err := durable.Read(c.folder.oldPIN(), maxPIN)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer secret.Wipe(old)
	path := c.folder.PINFile() + KeptSuffix(c.Began)
	if err := durable.Replace(path, old); err != nil {
		return "", err
	}
	return path, nil
}

// leave goes on with the members that are left.
func (c *PINChange) leave(left []PINMember) error {
	switch {
	case len(left) == 0:
		c.Members = nil
		return c.end()
	}
	if c.Members = left; !c.hasMember(c.Follows) {
		c.Source, c.Follows = "", ""
	}
	return c.write()
}

func (c *PINChange) hasMember(serial string) bool {
	return slices.ContainsFunc(c.Members, func(m PINMember) bool { return m.Serial == serial })
}

// TryAgain forgets what was refused, for a person who knows better.
func (c *PINChange) TryAgain() {
	for i := range c.Members {
		if m := &c.Members[i]; m.Has != PINNew {
			m.New, m.Old = PINTries{}, PINTries{}
		}
	}
}

// ByOfficer lets the security officer set the new PIN where it is not set yet.
func (c *PINChange) ByOfficer() {
	if !c.Reset {
		c.Reset = true
		for i := range c.Members {
			c.Members[i].Old = PINTries{}
		}
	}
}

// end removes the new PIN, then the journal.
func (c *PINChange) end() error {
	for _, path := range []string{c.folder.newPIN(), c.folder.oldPIN(), c.folder.pinChange()} {
		if err := durable.Remove(path); err != nil {
			return err
		}
	}
	return durable.SyncFolder(c.folder.Run(""))
}

// keepOld keeps what the stored source holds as long as a token has that PIN:
// it may be written down nowhere else.
func (c *PINChange) keepOld(path string) error {
	there, err := durable.Exists(c.folder.oldPIN())
	if err != nil || there || c.allNew() {
		return err
	}
	old, err := durable.Read(path, maxPIN)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer secret.Wipe(old)
	if err := durable.Create(c.folder.oldPIN(), old); err != nil {
		return err
	}
	return durable.SyncFolder(c.folder.Run(""))
}

// OldSource is where the old PIN lies: kept, or still in the stored source. The
// zero Source where it is known to lie nowhere.
func (c *PINChange) OldSource() pin.Source {
	if there, err := durable.Exists(c.folder.oldPIN()); err == nil && there {
		return pin.Source{Kind: pin.KindFile, Arg: c.folder.oldPIN()}
	}
	if s, err := pin.ParseSource(c.Source); err == nil && !c.Followed {
		return s
	}
	return pin.Source{}
}

// follow lets the stored source have the new PIN.
func (c *PINChange) follow(next secret.Value) error {
	path, err := c.path()
	if err != nil {
		return err
	}
	if err := c.keepOld(path); err != nil {
		return err
	}
	text := append(append([]byte(nil), next.Bytes()...), '\n')
	defer secret.Wipe(text)
	if err := durable.Replace(path, text); err != nil {
		return err
	}
	c.Followed = true
	return c.write()
}

// mayUse answers PINUnavailable for a PIN that a token may not have any more, or
// not yet: a start in the midst of a change must not spend a try.
func (f *Folder) mayUse(s SKS, value secret.Value) error {
	if s.Role == sks.RoleCryptoUser {
		return nil // has a PIN of its own
	}
	c, err := f.PINChange()
	if err != nil || c == nil {
		return err
	}
	next, readErr := c.NewPIN()
	defer next.Wipe()
	for _, m := range c.Members {
		known := m.Has != PINUnknown && !m.Setting
		fits := readErr != nil || next.Equal(value) == (m.Has == PINNew)
		if m.Serial == s.Serial && !(known && fits) {
			return fault.New(fault.PINUnavailable, "the change of the PIN of the token %s was cut off, and this may not be the PIN that it has; no login was tried", m).
				With("finish the change: 'ssovault hsm pin resume'")
		}
	}
	return nil
}
