package vault

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

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

// Unfinished names the tokens that do not have the new PIN for certain; where all
// have it, the stored source.
func (c *PINChange) Unfinished() string {
	var open []string
	for _, m := range c.Members {
		if m.Has != PINNew || m.Setting {
			open = append(open, m.String())
		}
	}
	if len(open) == 0 {
		return "the stored source"
	}
	return strings.Join(open, ", ")
}

// Next is the first member that does not have the new PIN for certain.
func (c *PINChange) Next() PINMember {
	for _, m := range c.Members {
		if m.Has != PINNew {
			return m
		}
	}
	return c.Members[0]
}

// LeaveOut takes a member out of the change, as it is: by label or serial
// number. Cause Usage when none or several are meant. Without members the change
// is ended. kept are the files in which the PINs are kept that this token may
// have: as far as they lie in a file, they are in none that the change leaves
// alone.
func (c *PINChange) LeaveOut(name string) (kept []string, err error) {
	var left, out []PINMember
	for _, m := range c.Members {
		if m.Serial != name && m.Label != name {
			left = append(left, m)
		} else {
			out = append(out, m)
		}
	}
	if len(out) != 1 {
		return nil, fault.New(fault.Usage, "%q names %d of the tokens whose PIN is being changed, not one", name, len(out))
	}
	keep := func(from, suffix string) error {
		b, err := durable.Read(from, maxPIN)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer secret.Wipe(b)
		to := c.folder.PINFile() + KeptSuffix(c.Began) + suffix
		kept = append(kept, to)
		return durable.Replace(to, b)
	}
	m := out[0]
	if old := c.OldSource(); m.Has != PINNew && old.Kind == pin.KindFile {
		path := old.Arg
		if old == pin.Default {
			path = c.folder.PINFile()
		}
		err = keep(path, "")
	}
	if err == nil && (m.Has != PINOld || m.Setting) && !c.Followed {
		err = keep(c.folder.newPIN(), "-new")
	}
	if err != nil {
		return nil, err
	}
	return kept, c.leave(left)
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

// TryAgain forgets what was refused, for a person who knows better. The new PIN
// is not shown again to a token that was never asked to take it.
func (c *PINChange) TryAgain() {
	for i := range c.Members {
		m := &c.Members[i]
		if m.Has != PINNew {
			m.Old = PINTries{}
		}
		if m.Has != PINNew && m.Asked {
			m.New = PINTries{}
		}
	}
}

// Again takes the new PIN anew, whose file was lost, and writes it there. It may
// not be the one that tokens were given: those that have that one are asked, and
// no other is tried with them.
func (c *PINChange) Again(next secret.Value) error {
	if err := durable.Replace(c.folder.newPIN(), next.Bytes()); err != nil {
		return err
	}
	for i := range c.Members {
		if m := &c.Members[i]; m.Has == PINNew {
			m.Has, m.New, m.Old = PINUnknown, PINTries{}, PINTries{Refused: true}
		}
	}
	c.Followed = false
	return c.write()
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
