package wizard

import (
	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// askPIN asks for the token's password and tries it, once for each time that
// somebody gives one.
func (d *dialog) askPIN() error {
	s := d.sks
	if d.was.mode() == vault.ModeSealed {
		was := d.was.contents.SKS
		s.keepKey = s.vendor.Name == was.Type && s.token.Serial == d.was.token.Serial && !d.NewKey
		if s.keepKey {
			s.role = was.Role
		}
	}
	// What opened the files opens this token too, and was tried already; but a
	// key is made as the user, whatever role the service has.
	known := d.was.pin.Len() > 0 && s.token.Serial == d.was.token.Serial && s.role == d.was.contents.SKS.Role
	if s.token.Tries == sks.TriesLocked {
		return fault.New(fault.PINLocked, "the token %s: %s; no login was tried", s.token, s.token.Tries)
	}
	if s.token.Tries != sks.TriesUnknown {
		d.say("  Careful: %s.", s.token.Tries)
	}
	q := Question{Key: "sks_password", Text: "  password", Secret: true}
	if known {
		q.Default = unchanged
	}
	return d.ask(q, func(answer string) error {
		if answer == "" && known {
			s.pin = d.was.pin.Clone()
			return nil
		}
		if answer == "" {
			return errEmptyPassword
		}
		s.pin, s.pinTyped = secretOf(answer), true
		if d.CheckOnly {
			return nil
		}
		return end(d.tryPIN(q))
	})
}

// tryPIN logs in once with the password that was given. When it is refused
// somebody decides whether another try may be spent.
func (d *dialog) tryPIN(q Question) error {
	for {
		err := d.login()
		if fault.Of(err) != fault.PINRefused {
			return d.brokenOff(err)
		}
		if _, tried := cryptoki.Code(err); !tried && d.Unattended {
			return err // the token was not asked: err says why, and what helps
		}
		d.say("  The token refused the password; %s.", d.triesLeft())
		again, askErr := d.confirm("", "Try another password", false)
		if askErr != nil {
			return askErr
		}
		if !again {
			return fault.Wrap(fault.PINRefused, err, "the password of the token %s", d.sks.token).(*fault.Error).
				With("give the right password; count the tries, since the token locks the role after a few")
		}
		d.sks.pin.Wipe()
		q.Default = ""
		askErr = d.ask(q, func(answer string) error {
			if answer == "" {
				return errEmptyPassword
			}
			d.sks.pin = secretOf(answer)
			return nil
		})
		if askErr != nil {
			return askErr
		}
	}
}

// login logs in and out again: the session is not kept while somebody thinks.
func (d *dialog) login() error {
	store, _, err := d.openToken(d.describedSKS())
	if err != nil {
		return err
	}
	return fault.Wrap(fault.Unreachable, store.Close(), "leave the token %s", d.sks.token)
}

// openToken logs in to the chosen token with the password that was given. One
// that a prepared answer gives is nobody's decision: it is not tried again after
// a refusal, nor when the token says that few tries are left.
func (d *dialog) openToken(s *vault.SKS) (sks.Store, sks.Token, error) {
	as := *s
	as.PIN = pin.Source{Kind: pin.KindPrompt}
	if prepared, ok := d.front.(interface {
		Source(key string) (pin.Source, bool)
	}); ok {
		if source, given := prepared.Source("sks_password"); given {
			as.PIN = source
		} else if d.Unattended && d.was.mode() == vault.ModeSealed {
			as.PIN = d.was.contents.SKS.PIN
		}
	}
	device := vault.Device{Dialer: d.Dialer, PINs: d.PINs, TryPIN: d.TryPIN, Now: d.Now}
	return d.folder.Login(d.ctx, as, device, d.sks.pin.Clone())
}

// triesLeft asks the token again, since its flags change with a refusal.
func (d *dialog) triesLeft() sks.Tries {
	tokens, err := d.Dialer.Tokens(d.ctx, d.sks.library, d.timeouts())
	if err == nil {
		for _, t := range tokens {
			if t.Serial == d.sks.token.Serial {
				return t.Tries
			}
		}
	}
	return d.sks.token.Tries
}

// describedSKS is what sks.properties will say, but for the key. It goes on
// with the present file, whose comments and deadlines are an administrator's.
func (d *dialog) describedSKS() *vault.SKS {
	s := vault.SKS{Timeouts: sks.DefaultTimeouts}
	if d.was.mode() == vault.ModeSealed {
		s = d.was.contents.SKS
	}
	if !d.sks.keepKey {
		s = s.WithoutKey()
	}
	s.Type, s.Library, s.Role, s.PIN = d.sks.vendor.Name, d.sks.library, d.sks.role, d.sks.source
	s.Label, s.Serial = d.sks.token.Label, d.sks.token.Serial
	return &s
}
