package main

import (
	"context"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

var _ vault.PINDevice = (*pinWork)(nil)

// Login implements vault.PINDevice: in a process of its own, which ends with the
// session.
func (w *pinWork) Login(ctx context.Context, m vault.PINMember, with vault.PINHeld) (vault.PINSession, vault.PINAnswer, error) {
	if with == vault.PINOld && !w.oldReady {
		return nil, vault.PINNotTried, vault.ErrPINNeeded
	}
	d, err := w.openLibrary(ctx, m.Library, w.site.sks.Timeouts)
	if err != nil {
		return nil, vault.PINNotTried, err
	}
	v := &visit{app: w.app, site: site{folder: w.state, sks: w.site.sks}, device: d}
	answer := vault.PINNotTried
	if v.token, err = d.serial(m); err == nil {
		if with == vault.PINNew {
			answer, err = w.tryNew(ctx, v, m)
		} else {
			answer, err = w.tryOld(ctx, v)
		}
	}
	if answer != vault.PINAccepted {
		_ = d.Close() // it said what was asked
		return nil, answer, err
	}
	return &pinSession{device: d, old: w.old, reset: w.reset}, answer, nil
}

// serial finds a member.
func (d *device) serial(m vault.PINMember) (admin.Token, error) {
	for _, t := range d.tokens {
		if t.Problem == nil && t.Initialised && t.Serial == m.Serial {
			return t, nil
		}
	}
	return admin.Token{}, fault.New(fault.Unreachable, "the token %s is not there", m)
}

// tryNew logs in with the new PIN. A refusal of it that the flags show is our
// own. To a token that was never asked to take it, it is only a guess, and not
// what --try-pin is said for.
func (w *pinWork) tryNew(ctx context.Context, v *visit, m vault.PINMember) (vault.PINAnswer, error) {
	if !v.token.UserPINSet {
		return vault.PINWasRefused, sks.NoUserPIN(v.token.Token, nil) // it has none yet
	}
	l := w.loginOf(v, sks.RoleUser)
	l.Unattended, l.LowExplained = !w.tryPIN || !m.Asked, true
	_, tried, err := v.TryLogin(ctx, l, w.next.Clone())
	return answerOf(tried, err), err
}

// tryOld logs in as is needed to set the new PIN.
func (w *pinWork) tryOld(ctx context.Context, v *visit) (vault.PINAnswer, error) {
	role := w.role()
	l := w.loginOf(v, role)
	var tried bool
	try := func(access sks.Access) (sks.Token, error) {
		l.Unattended, l.LowExplained = access.Unattended, access.LowExplained || w.resumed
		var t admin.Token
		var err error
		t, tried, err = v.TryLogin(ctx, l, w.old.Clone())
		return t.Token, err
	}
	if w.oldSource.Attended() {
		_, err := try(sks.Access{})
		return answerOf(tried, err), sks.Typed(err)
	}
	err := v.once(ctx, role, w.oldSource, try)
	return answerOf(tried, err), err
}

func (w *pinWork) loginOf(v *visit, role sks.Role) admin.Login {
	return admin.Login{Serial: v.token.Serial, Slot: v.token.Slot, Role: role, EvenExpired: true,
		Serialise: sks.VendorOf(v.device.library, v.token.Token).Serialise}
}

// answerOf judges a login.
func answerOf(tried bool, err error) vault.PINAnswer {
	code, coded := cryptoki.Code(err)
	said, _ := cryptoki.CauseOf(code) // of a PIN that was refused and is locked now: that it was refused
	switch {
	case err == nil:
		return vault.PINAccepted
	case !tried:
		return vault.PINNotTried
	case coded && said == fault.PINRefused:
		return vault.PINWasRefused
	case coded && (said == fault.PINLocked || said == fault.PINUnavailable):
		return vault.PINNotTried // the token did not look at it
	}
	return vault.PINAnswerLost
}

// pinSession is a login with what is needed to set the new PIN.
type pinSession struct {
	*device
	old   secret.Value
	reset bool
}

// Set implements vault.PINSession.
func (s *pinSession) Set(ctx context.Context, next secret.Value) (unchanged bool, err error) {
	if s.reset {
		err = s.ResetPIN(ctx, next)
	} else {
		err = s.SetPIN(ctx, s.old, next)
	}
	return err != nil && !s.Ailing() && fault.Of(err) == fault.Usage, err
}
