package memory_test

import (
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
	"ssovault/internal/sks/skstest"
)

func TestStore(t *testing.T) {
	for _, iv := range []sks.IVConvention{sks.IVCaller, sks.IVAppended, sks.IVWritten} {
		t.Run(iv.String(), func(t *testing.T) {
			skstest.Test(t, func(t *testing.T) sks.Store {
				d := memory.New("suite", "1")
				d.IV = iv
				return d.Store()
			})
		})
	}
}

func TestMisbehaviour(t *testing.T) {
	id := sks.NewKeyID()
	for name, c := range map[string]struct {
		arrange func(*memory.Device)
		act     func(s *memory.Store) error
		want    fault.Cause
	}{
		"two keys of one id": {func(d *memory.Device) { d.Duplicate(id) },
			func(s *memory.Store) error { _, err := s.Key(t.Context(), id); return err }, fault.KeyAmbiguous},
		"cleared": {(*memory.Device).Clear,
			func(s *memory.Store) error { _, err := s.Key(t.Context(), id); return err }, fault.KeyMissing},
		"away": {func(d *memory.Device) { d.Away = true },
			func(s *memory.Store) error { _, err := s.Key(t.Context(), id); return err }, fault.Unreachable},
		"without AES/GCM": {func(d *memory.Device) { d.NoGCM = true },
			func(s *memory.Store) error { return create(t, s) }, fault.NoGCM},
		"unsafe": {func(d *memory.Device) { d.Unsafe = []string{"extractable"} },
			func(s *memory.Store) error { return create(t, s) }, fault.NotPermitted},
	} {
		t.Run(name, func(t *testing.T) {
			d := memory.New("one", "1")
			s := d.Store()
			if _, err := s.Create(t.Context(), sks.NewKey{ID: id, Label: "key"}); err != nil {
				t.Fatal(err)
			}
			c.arrange(d)
			if err := c.act(s); fault.Of(err) != c.want {
				t.Errorf("%v, want cause %v", err, c.want)
			}
		})
	}
}

func create(t *testing.T, s *memory.Store) error {
	_, err := s.Create(t.Context(), sks.NewKey{ID: sks.NewKeyID(), Label: "key"})
	return err
}

func TestDial(t *testing.T) {
	for name, c := range map[string]struct {
		tries      sks.Tries
		unattended bool
		pin        string
		want       fault.Cause
		logins     int
	}{
		"right":                 {pin: "right", logins: 1},
		"wrong":                 {pin: "wrong", want: fault.PINRefused, logins: 1},
		"locked":                {pin: "right", tries: sks.TriesLocked, want: fault.PINLocked},
		"final try, unattended": {pin: "right", tries: sks.TriesFinal, unattended: true, want: fault.PINRefused},
		"final try, attended":   {pin: "right", tries: sks.TriesFinal, logins: 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := memory.New("one", "1")
			d.PIN, d.Token.Tries = "right", c.tries
			pin := secret.New([]byte(c.pin))
			_, token, err := d.Dial(t.Context(), sks.Access{Label: "one", Serial: "1", Unattended: c.unattended}, pin)
			if fault.Of(err) != c.want {
				t.Errorf("%v, want cause %v", err, c.want)
			}
			if token.Serial != "1" || d.Logins() != c.logins {
				t.Errorf("token %v, %d logins, want %d", token, d.Logins(), c.logins)
			}
			if string(pin.Bytes()) != string(make([]byte, len(c.pin))) {
				t.Error("the PIN was not wiped")
			}
		})
	}
}
