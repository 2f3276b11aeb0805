package vault

import (
	"context"
	"errors"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// PINAnswer is what became of a login.
type PINAnswer int

// The answers.
const (
	// PINNotTried: the token's flags, or its absence, kept the PIN from it.
	PINNotTried PINAnswer = iota
	// PINAnswerLost: the token may have seen the PIN.
	PINAnswerLost
	PINWasRefused
	PINAccepted
)

// PINSession is a login that was accepted.
type PINSession interface {
	// Set gives the token the new PIN. unchanged: an error after which it
	// certainly has the one before.
	Set(ctx context.Context, next secret.Value) (unchanged bool, err error)
	Close() error
}

// ErrPINNeeded is what a PINDevice answers that has not read yet what is needed
// to set the new PIN: nobody is asked while the folder is locked.
var ErrPINNeeded = errors.New("the PIN that the token has is needed")

// PINDevice reaches the members of a change.
type PINDevice interface {
	// Login tries one PIN once: the new one, or what is needed to set it.
	Login(ctx context.Context, m PINMember, with PINHeld) (PINSession, PINAnswer, error)
}

// Run goes on with every member that does not have the new PIN, lets the stored
// source follow, and ends the change when all have it. What it cannot do it
// leaves in the journal; the error is that of the first member that does not
// have the new PIN. A change that began just now and could not change anything is
// ended, and so is one of which nothing was done when the old PIN is refused.
func (c *PINChange) Run(ctx context.Context, d PINDevice, next secret.Value) error {
	var first error
	for i := range c.Members {
		err := c.advance(ctx, d, &c.Members[i], next)
		if err == nil {
			// Whatever was refused before says nothing of this PIN.
			_ = c.folder.refusals().Forget(c.Members[i].Serial, string(sks.RoleUser))
			continue
		}
		if c.untouched() && (c.fresh || fault.Of(err) == fault.PINRefused) {
			return errors.Join(err, c.end())
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if errors.Is(first, ErrPINNeeded) {
		return first // once it is known, all goes on
	}
	if c.Follows != "" && !c.Followed && c.has(c.Follows, PINNew) {
		if err := c.follow(next); err != nil {
			return fault.Wrap(fault.Unclassified, err, "the tokens have the new PIN; write it to its source %s", c.Source)
		}
	}
	if first != nil {
		return first
	}
	return c.end()
}

// untouched tells whether every member certainly has the old PIN, and nothing
// is left to be found out.
func (c *PINChange) untouched() bool {
	for _, m := range c.Members {
		if m.Has != PINOld || m.Setting || m.Trying != "" || m.New != (PINTries{}) {
			return false
		}
	}
	return true
}

func (c *PINChange) has(serial string, held PINHeld) bool {
	for _, m := range c.Members {
		if m.Serial == serial {
			return m.Has == held
		}
	}
	return false
}

// advance brings a member to the new PIN, or as far as it goes. Each PIN is
// refused once at most: what was refused is never tried again, and where an
// answer was lost the other PIN is asked first.
func (c *PINChange) advance(ctx context.Context, d PINDevice, m *PINMember, next secret.Value) error {
	m.settle()
	var failed error // of a change that went wrong in a way that tells nothing
	for m.Has != PINNew {
		if failed != nil && m.Has == PINOld {
			return failed
		}
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Interrupted, err, "change the PIN of %s", m)
		}
		var err error
		switch useOld, useNew := m.Old.allowed(), m.New.allowed() && m.Has == PINUnknown; {
		case useNew && (!useOld || m.newFirst()):
			err = c.tryNew(ctx, d, m)
		case useOld:
			var lost error
			lost, err = c.setNew(ctx, d, m, next)
			failed = errors.Join(failed, lost)
		default:
			return c.stuck(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// newFirst tells which PIN is tried first where both may be: the one of which
// fewer answers were lost, and else the one that the token probably has.
func (m *PINMember) newFirst() bool {
	return m.New.Lost < m.Old.Lost || m.New.Lost == m.Old.Lost && m.Asked
}

// settle judges what a crash left: answers that nobody heard are lost.
func (m *PINMember) settle() {
	switch m.Trying {
	case PINNew:
		m.New.Lost++
	case PINOld:
		m.Old.Lost++
	}
	if m.Setting {
		m.lostTrack()
	}
	m.Trying, m.Setting = "", false
}

// lostTrack: it may have either PIN, whatever was refused before.
func (m *PINMember) lostTrack() {
	m.Has, m.Setting, m.New.Refused = PINUnknown, false, false
}

// stuck says why nothing more is tried with a member, and what can be done.
func (c *PINChange) stuck(m *PINMember) error {
	what := "it refused the new PIN and the old one"
	advice := "'ssovault hsm pin resume --try-pin --pin-source SOURCE' tries the PIN that it has, if that is another; '--reset' lets the security officer set the new PIN; '--leave-out' leaves this token as it is"
	if c.Reset {
		what = "it refused the security officer's PIN"
		advice = "'ssovault hsm pin resume --try-pin --so-pin-source SOURCE' tries another one, or the same once more; '--leave-out' leaves this token as it is"
	}
	if !m.Old.Refused || !c.Reset && !m.New.Refused {
		what = "too many answers of it were lost"
	}
	if m.refusal != nil { // it says what the flags tell of the tries that are left
		return fault.Wrap(fault.PINRefused, m.refusal, "the token %s: %s; that is not tried again", m, what).(*fault.Error).With(advice)
	}
	return fault.New(fault.PINRefused, "the token %s: %s; that is not tried again", m, what).With(advice)
}

// tryNew finds out whether the member has the new PIN already.
func (c *PINChange) tryNew(ctx context.Context, d PINDevice, m *PINMember) error {
	s, answer, err := c.login(ctx, d, m, PINNew)
	switch answer {
	case PINAccepted:
		m.Has, m.New = PINNew, PINTries{}
		_ = s.Close() // it has said what was asked
		return c.write()
	case PINWasRefused:
		m.New.Refused, m.refusal = true, err
		c.remember(*m)
		if !m.Old.Refused {
			m.Has = PINOld
		}
		return c.write()
	}
	return err
}

// remember notes that it was us who showed the token a PIN that it refused, so
// that a start with the right one need not wonder at the token's flags.
func (c *PINChange) remember(m PINMember) {
	const source = "pin-change"
	// What cannot be noted costs an unattended start, no try.
	_ = c.folder.refusals().Record(pin.Refusal{Token: m.Serial, Role: string(sks.RoleUser), Source: source, Identity: source, Time: c.Began})
}

// setNew logs in as is needed to set the new PIN, and sets it. lost is an error
// after which it has to be found out which PIN the member has.
func (c *PINChange) setNew(ctx context.Context, d PINDevice, m *PINMember, next secret.Value) (lost, err error) {
	s, answer, err := c.login(ctx, d, m, PINOld)
	switch answer {
	case PINAccepted:
	case PINWasRefused:
		if c.untouched() && m == &c.Members[0] {
			return nil, err // a wrong PIN was given; nobody knows it
		}
		m.Old.Refused, m.Has, m.refusal = true, PINUnknown, err
		return nil, c.write()
	default:
		return nil, err
	}
	defer s.Close()
	m.Old, m.Has, m.Setting, m.Asked = PINTries{}, PINOld, true, true
	if err := c.write(); err != nil {
		m.Setting = false // the disk is full, say: it was not asked
		return nil, err
	}
	unchanged, err := s.Set(ctx, next)
	switch {
	case err == nil:
		m.Has, m.Setting = PINNew, false
		return nil, c.write()
	case unchanged:
		m.Setting = false
		return nil, errors.Join(err, c.write())
	}
	m.lostTrack()
	return err, c.write()
}

// login notes what it is about to try, tries it, and judges the answer.
func (c *PINChange) login(ctx context.Context, d PINDevice, m *PINMember, with PINHeld) (PINSession, PINAnswer, error) {
	m.Trying = with
	if err := c.write(); err != nil {
		m.Trying = ""
		return nil, PINNotTried, err
	}
	s, answer, err := d.Login(ctx, *m, with)
	m.Trying = ""
	if answer == PINAnswerLost {
		if with == PINNew {
			m.New.Lost++
		} else {
			m.Old.Lost++
		}
	}
	if answer == PINNotTried || answer == PINAnswerLost {
		if writeErr := c.write(); writeErr != nil {
			return nil, answer, errors.Join(err, writeErr)
		}
	}
	return s, answer, err
}
