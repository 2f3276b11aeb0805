package wizard_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/wizard"
)

func wizardInterrupted(err error) bool { return fault.Of(err) == fault.Interrupted }

func modes(t *testing.T, tty *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// cancelling ends the context at a question, as a signal does.
type cancelling struct {
	wizard.Front
	left   int
	cancel func()
}

func (c *cancelling) Ask(q wizard.Question) (string, error) {
	if c.left == 0 {
		c.cancel()
	}
	c.left--
	return c.Front.Ask(q)
}

// dialogs are those that a person can have: on nothing, on sealed files, on
// clear ones, on files that cannot be opened, with wrong answers in between.
var dialogs = map[string]func(t *testing.T) (*scene, script){
	"first": func(t *testing.T) (*scene, script) {
		s := newScene(t)
		return s, s.quick().before("sks_password", "wrong", "y").before("ssl_file", "nowhere")
	},
	"second": func(t *testing.T) (*scene, script) {
		s := newScene(t)
		s.must(s.pipe(s.quick().lines()...))
		return s, s.quick().enter().with("pin_source", "prompt")
	},
	"stored source is prompt": func(t *testing.T) (*scene, script) {
		s := newScene(t)
		s.must(s.pipe(s.quick().with("pin_source", "prompt").lines()...))
		return s, append(script{{"-pin", tokenPIN}}, s.quick().enter()...)
	},
	"to another token": func(t *testing.T) (*scene, script) {
		s := newScene(t)
		s.must(s.pipe(s.quick().lines()...))
		return s, s.quick().enter().with("sks_slot", "1002").with("sks_password", tokenPIN)
	},
	"from clear": func(t *testing.T) (*scene, script) {
		s := newScene(t)
		s.must(s.pipe(s.quick().upTo("sks", "n").lines()...))
		return s, s.quick().and("renew_secrets", "y")
	},
	"afresh": func(t *testing.T) (*scene, script) {
		s := newScene(t)
		s.must(s.pipe(s.quick().lines()...))
		if err := os.Remove(filepath.Join(s.base, "data", "sks.properties")); err != nil {
			t.Fatal(err)
		}
		return s, append(script{{"start_afresh", "y"}}, s.quick()...)
	},
}

// Until the last answer nothing has changed, however the dialog is broken off.
func TestBrokenOffAtEveryQuestion(t *testing.T) {
	ways := map[string]func(s *scene, lines []string) error{
		"end of input": func(s *scene, lines []string) error {
			_, _, err := s.pipe(lines...)
			return err
		},
		"signal": func(s *scene, lines []string) error {
			ctx, cancel := context.WithCancel(s.t.Context())
			defer cancel()
			_, _, err := s.pipeWith(ctx, func(f wizard.Front) wizard.Front {
				return &cancelling{Front: f, left: len(lines), cancel: cancel}
			}, lines...)
			return err
		},
		"Ctrl-C": func(s *scene, lines []string) error {
			_, _, _, err := s.atTerminal(200, breakOff(lines, "half a\x03"))
			return err
		},
		"Ctrl-D": func(s *scene, lines []string) error {
			_, _, _, err := s.atTerminal(200, breakOff(lines, "\x04"))
			return err
		},
	}
	for name, prepare := range dialogs {
		for way, leave := range ways {
			t.Run(name+"/"+way, func(t *testing.T) {
				s, p := prepare(t)
				instance := ""
				if s.shelf[0].Labels() != nil {
					instance = strings.TrimPrefix(s.shelf[0].Labels()[0], "SSO Vault Properties ")
				}
				disk, tokens := s.disk(), s.shelf.snapshot(t, instance)
				for n := range p {
					if err := leave(s, p.lines()[:n:n]); !wizardInterrupted(err) {
						t.Fatalf("at question %d (%s): %v", n, p[n].key, err)
					}
					if now := s.disk(); now != disk {
						t.Fatalf("at question %d (%s) the disk changed:\n%s\nbefore:\n%s", n, p[n].key, now, disk)
					}
					if now := s.shelf.snapshot(t, instance); now != tokens {
						t.Fatalf("at question %d (%s) the tokens changed:\n%s\nbefore:\n%s", n, p[n].key, now, tokens)
					}
				}
				// All of it was the whole dialog: the last answer saves.
				if result, _, err := s.pipe(p.lines()...); err != nil || s.disk() == disk {
					t.Errorf("%+v, %v", result, err)
				}
			})
		}
	}
}

// No lock is held while somebody thinks; what happens meanwhile is noticed.
func TestChangedMeanwhile(t *testing.T) {
	s := newScene(t)
	s.must(s.pipe(s.quick().lines()...))
	lines := s.first().enter().lines()
	other := func(f wizard.Front) wizard.Front {
		return &cancelling{Front: f, left: len(lines) - 1, cancel: func() {
			if _, transcript, err := s.pipe(s.first().enter().with("admin_port", "8082").lines()...); err != nil {
				t.Error(err, transcript)
			}
		}}
	}
	_, transcript, err := s.pipeWith(t.Context(), other, lines...)
	if fault.Of(err) != fault.Busy || s.open().Instance["admin_port"] != "8082" {
		t.Errorf("%v\n%s", err, transcript)
	}
	if fmt.Sprint(err) == "" || fault.HintFor(err) != "start the dialog again" {
		t.Error(fault.HintFor(err))
	}
}
