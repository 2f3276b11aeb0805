package wizard_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
	"ssovault/internal/wizard"
)

// forgetful is a dialer whose token goes away when it is told of the new save.
type forgetful struct{ sks.Dialer }

type forgetfulStore struct{ *memory.Store }

func (f forgetful) Dial(ctx context.Context, a sks.Access, pin secret.Value) (sks.Store, sks.Token, error) {
	store, token, err := f.Dialer.Dial(ctx, a, pin)
	if err != nil {
		return nil, token, err
	}
	return forgetfulStore{store.(*memory.Store)}, token, nil
}

func (forgetfulStore) Remember(context.Context, string, sks.Mark) error {
	return fault.New(fault.Unreachable, "the cable was pulled")
}

// A save that holds is not called one that changed nothing.
func TestSavedButNotRemembered(t *testing.T) {
	s := newScene(t)
	s.adjust = func(w *wizard.Wizard) { w.Dialer = forgetful{s.shelf} }
	_, transcript, err := s.pipe(s.quick().lines()...)
	if fault.Of(err) != fault.Unreachable || !strings.Contains(err.Error(), "the settings are sealed and saved, but") {
		t.Errorf("%v\n%s", err, transcript)
	}
	if o := s.open(); o.Shared["sso_domain"] != "acme" {
		t.Errorf("%+v", o)
	}
}

// A failure half-way leaves the earlier state whole.
func TestFailureHalfWay(t *testing.T) {
	s, before := sealed(t)
	for name, spoil := range map[string]func() (undo func()){
		"another token without GCM": func() func() {
			s.shelf[1].NoGCM = true
			return func() { s.shelf[1].NoGCM = false }
		},
		"a folder in the place of a new file": func() func() {
			path := filepath.Join(s.base, "run", "pending-key.json")
			if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			undo := spoil()
			_, transcript, err := s.pipe(s.first().enter().with("sks_slot", "1").with("sks_password", tokenPIN).lines()...)
			undo()
			if err == nil || len(s.shelf[1].Labels()) != 0 {
				t.Errorf("%v, %v\n%s", err, s.shelf[1].Labels(), transcript)
			}
			if after := s.open(); after.SKS.KeyID != before.SKS.KeyID || after.answered() != before.answered() {
				t.Errorf("%+v", after)
			}
		})
	}
}
