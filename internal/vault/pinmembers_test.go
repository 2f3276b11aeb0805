package vault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// fakeToken is a member: its PIN, and how often each one was refused in a row.
type fakeToken struct {
	pin     string
	refused map[string]int
	worst   int // refusals without a login between
	run     int
}

// fakeDevice reaches members, loses answers by plan, and crashes by panic.
type fakeDevice struct {
	tokens map[string]*fakeToken
	old    string
	next   string
	fate   func() string // of each step: "", "lost before", "lost after", "crash before", "crash after", "away"
}

type crashed struct{}

var (
	errRefused = fault.New(fault.PINRefused, "refused")
	errLost    = fault.New(fault.Unreachable, "lost")
)

func (d *fakeDevice) Login(_ context.Context, m PINMember, with PINHeld) (PINSession, PINAnswer, error) {
	fate := d.fate()
	t, value := d.tokens[m.Serial], d.old
	if with == PINNew {
		value = d.next
	}
	switch fate {
	case "away":
		return nil, PINNotTried, errLost
	case "crash before":
		panic(crashed{})
	case "lost before":
		return nil, PINAnswerLost, errLost
	}
	accepted := t.pin == value
	if accepted {
		t.run, t.refused = 0, map[string]int{}
	} else {
		t.run++
		t.worst = max(t.worst, t.run)
		t.refused[value]++
	}
	switch {
	case fate == "crash after":
		panic(crashed{})
	case fate == "lost after":
		return nil, PINAnswerLost, errLost
	case !accepted:
		return nil, PINWasRefused, errRefused
	}
	return &fakeSession{d, t}, PINAccepted, nil
}

type fakeSession struct {
	device *fakeDevice
	token  *fakeToken
}

func (s *fakeSession) Set(_ context.Context, next secret.Value) (bool, error) {
	fate := s.device.fate()
	switch fate {
	case "away", "lost before":
		return false, errLost
	case "crash before":
		panic(crashed{})
	}
	s.token.pin = string(next.Bytes())
	switch fate {
	case "crash after":
		panic(crashed{})
	case "lost after":
		return false, errLost
	}
	return false, nil
}

func (s *fakeSession) Close() error { return nil }

// devices are members that have the old PIN, and lose nothing.
func devices(c PINChange) *fakeDevice {
	d := &fakeDevice{tokens: map[string]*fakeToken{}, old: "old-pin", next: "new-pin", fate: func() string { return "" }}
	for _, m := range c.Members {
		d.tokens[m.Serial] = &fakeToken{pin: d.old, refused: map[string]int{}}
	}
	return d
}

// changing is a folder with a change of two members' PIN under way.
func changing(t testing.TB) (*Folder, PINChange) {
	t.Helper()
	base := t.TempDir()
	if err := os.Chmod(base, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Open(t.Context(), base, Change, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if err := os.WriteFile(f.PINFile(), []byte("old-pin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := PINChange{Began: time.Unix(1, 0), Source: "file", Follows: "1"}
	for _, serial := range []string{"1", "2", "3"} {
		c.Members = append(c.Members, PINMember{Library: "/x.so", Label: "token " + serial, Serial: serial, Has: PINOld})
	}
	return f, c
}

// lostTooMany tells whether only a person can say that one more try is all right.
func (d *fakeDevice) lostTooMany(c *PINChange) bool {
	for _, m := range c.Members {
		if m.settle(); m.Has != PINNew && (m.Old.Lost >= maxLost || m.New.Lost >= maxLost) {
			return true
		}
	}
	return false
}

// run runs a change until its end, an error or a crash.
func (d *fakeDevice) run(t rapid.TB, f *Folder, c *PINChange) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case crashed:
			err = errors.New("crashed")
		default:
			panic(p)
		}
	}()
	next, err := c.NewPIN()
	if err != nil {
		t.Fatalf("the new PIN is lost: %v", err)
	}
	return c.Run(context.Background(), d, next)
}

// Whatever is lost, and wherever it crashes: both PINs are known until every
// member has the new one; no PIN is refused more than twice in a row in all, and
// once the device answers again one more run finishes.
func TestPINChangeFinishes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f, c := changing(t)
		c.Members = c.Members[:2]
		d := devices(c)
		faults := rapid.IntRange(0, 3).Draw(rt, "faults")
		d.fate = func() string {
			if faults == 0 || rapid.IntRange(0, 3).Draw(rt, "now") > 0 {
				return ""
			}
			faults--
			return rapid.SampledFrom([]string{"lost before", "lost after", "crash before", "crash after", "away"}).Draw(rt, "fate")
		}
		change, err := f.BeginPINChange(c, secret.New([]byte(d.next)))
		if err != nil {
			rt.Fatal(err)
		}
		err = d.run(rt, f, change)
		again := false
		for range 5 {
			if err == nil {
				break
			}
			if change, err = f.PINChange(); err != nil {
				rt.Fatal(err)
			}
			if change == nil { // nothing had been changed, and it was given up
				for serial, token := range d.tokens {
					if token.pin != d.old {
						rt.Fatalf("the change was given up, and token %s has %s", serial, token.pin)
					}
				}
				return
			}
			for _, token := range d.tokens {
				if token.pin != d.old && token.pin != d.next {
					rt.Fatal("a PIN that nobody knows")
				}
			}
			if d.lostTooMany(change) {
				again = true // as --try-pin
				change.TryAgain()
			}
			err = d.run(rt, f, change)
		}
		for serial, token := range d.tokens {
			if err == nil && token.pin != d.next {
				rt.Fatalf("it said that all went well, and token %s has %s", serial, token.pin)
			}
			if token.worst > 2 && !again {
				rt.Fatalf("token %s refused %d times in a row", serial, token.worst)
			}
		}
		if err != nil {
			rt.Fatalf("it does not finish: %v", err)
		}
		stored, err := os.ReadFile(f.PINFile())
		if err != nil || string(stored) != d.next+"\n" {
			rt.Fatalf("the source holds %q, %v", stored, err)
		}
		left, err := filepath.Glob(f.Run("*pin-change*"))
		if err != nil || len(left) > 0 {
			rt.Fatalf("left: %v, %v", left, err)
		}
	})
}

// A wrong old PIN is shown to one token, once, and nothing is left.
func TestPINChangeWithAWrongPIN(t *testing.T) {
	f, c := changing(t)
	d := devices(c)
	d.old = "mistyped"
	next := secret.New([]byte(d.next))
	change, err := f.BeginPINChange(c, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := change.Run(t.Context(), d, next); fault.Of(err) != fault.PINRefused {
		t.Error(err)
	}
	if n := d.tokens["1"].worst + d.tokens["2"].worst + d.tokens["3"].worst; n != 1 {
		t.Errorf("%d tries", n)
	}
	if left, _ := filepath.Glob(f.Run("*pin-change*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A member that has another PIN is tried with both, once each ever, and can be
// left out; the PIN that it may have is kept.
func TestPINChangeOfAStranger(t *testing.T) {
	f, c := changing(t)
	d := devices(c)
	d.tokens["2"].pin = "another"
	next := secret.New([]byte(d.next))
	change, err := f.BeginPINChange(c, next)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := change.Run(t.Context(), d, next); fault.Of(err) != fault.PINRefused {
			t.Error(err)
		}
		if change, err = f.PINChange(); err != nil || change == nil {
			t.Fatal(change, err)
		}
	}
	if got := d.tokens["2"].refused; got[d.old] != 1 || got[d.next] != 1 {
		t.Errorf("refused %v", got)
	}
	if d.tokens["3"].pin != d.next {
		t.Error("the member behind it was forgotten")
	}
	if _, err := change.LeaveOut("nobody"); fault.Of(err) != fault.Usage {
		t.Error(err)
	}
	kept, err := change.LeaveOut("token 2")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, kept, "old-pin\n")
	if err := change.Run(t.Context(), d, next); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(f.Run("*pin-change*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// holds wants files to hold PINs, in order.
func holds(t *testing.T, files []string, want ...string) {
	t.Helper()
	var got []string
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		got = append(got, string(b))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v (-want +got):\n%s", files, diff)
	}
}

// Who says which PIN a member has, after it refused both, has that one tried
// first: it may be the last try.
func TestPINChangeTriesWhatIsGivenFirst(t *testing.T) {
	f, c := changing(t)
	c.Members = c.Members[:2]
	d := devices(c)
	d.tokens["2"].pin = "another"
	next := secret.New([]byte(d.next))
	change, err := f.BeginPINChange(c, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := change.Run(t.Context(), d, next); fault.Of(err) != fault.PINRefused || !errors.Is(err, errRefused) {
		t.Error(err)
	}
	if change, err = f.PINChange(); err != nil {
		t.Fatal(err)
	}
	if open := change.Unfinished(); open != "token 2 (serial 2)" {
		t.Errorf("not finished for %s", open)
	}
	// A slip costs one more try, not two: it was never asked to take the new PIN.
	change.TryAgain()
	d.old = "mistyped"
	if err := change.Run(t.Context(), d, next); fault.Of(err) != fault.PINRefused {
		t.Error(err)
	}
	if change, err = f.PINChange(); err != nil {
		t.Fatal(err)
	}
	change.TryAgain()
	d.old = "another"
	if err := change.Run(t.Context(), d, next); err != nil {
		t.Error(err)
	}
	if token := d.tokens["2"]; token.pin != d.next || token.worst != 3 {
		t.Errorf("it has %s, after %d refusals in a row", token.pin, token.worst)
	}
}

// Whatever member is left out, and whenever: each PIN that it may have lies in a
// file that the end of the change does not touch.
func TestLeftOutWithItsPIN(t *testing.T) {
	for _, c := range []struct {
		name    string
		members int
		fates   []string // of each step
		out     string
		kept    []string
	}{
		{"the only one, its answer lost", 1, []string{"", "lost after", "away"}, "1", []string{"old-pin\n", "new-pin"}},
		{"the only one, never asked", 1, []string{"crash before"}, "1", []string{"old-pin\n"}},
		{"before the source followed", 2, []string{"", "crash after"}, "2", []string{"old-pin\n"}},
		{"the first, which may have it", 2, []string{"", "crash after"}, "1", []string{"old-pin\n", "new-pin"}},
		{"behind the source", 2, []string{"", "", "away"}, "2", []string{"old-pin\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, change := changing(t)
			change.Members = change.Members[:c.members]
			d := devices(change)
			step := 0
			d.fate = func() string {
				step++
				return c.fates[min(step, len(c.fates))-1]
			}
			began, err := f.BeginPINChange(change, secret.New([]byte(d.next)))
			if err != nil {
				t.Fatal(err)
			}
			if d.run(t, f, began) == nil {
				t.Fatal("it finished")
			}
			if began, err = f.PINChange(); err != nil || began == nil {
				t.Fatal(began, err)
			}
			kept, err := began.LeaveOut(c.out)
			if err != nil {
				t.Fatal(err)
			}
			d.fate = func() string { return "" }
			if len(began.Members) > 0 {
				if err := d.run(t, f, began); err != nil {
					t.Error(err)
				}
			}
			holds(t, kept, c.kept...)
			if left, _ := filepath.Glob(f.Run("*pin-change*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// Whoever says anew what the new PIN was, after its file was lost, is believed only
// where the tokens that have it agree.
func TestNewPINSaidAgain(t *testing.T) {
	for _, said := range []string{"new-pin", "not-that"} {
		f, c := changing(t)
		c.Members = c.Members[:2]
		d := devices(c)
		step := 0
		d.fate = func() string {
			if step++; step == 3 {
				return "crash before" // the first has the new PIN
			}
			return ""
		}
		change, err := f.BeginPINChange(c, secret.New([]byte(d.next)))
		if err != nil {
			t.Fatal(err)
		}
		if d.run(t, f, change) == nil {
			t.Fatal("it finished")
		}
		if err := os.Remove(f.newPIN()); err != nil {
			t.Fatal(err)
		}
		if change, err = f.PINChange(); err != nil {
			t.Fatal(err)
		}
		d.next = said
		next := secret.New([]byte(said))
		if err := change.Again(next); err != nil {
			t.Fatal(err)
		}
		if kept, err := change.NewPIN(); err != nil || !kept.Equal(next) {
			t.Errorf("what was said is not in the file: %v", err)
		}
		err = change.Run(t.Context(), d, next)
		stored, readErr := os.ReadFile(f.PINFile())
		if readErr != nil {
			t.Fatal(readErr)
		}
		first := d.tokens["1"]
		if said == "new-pin" {
			if err != nil || first.worst != 0 || string(stored) != "new-pin\n" {
				t.Errorf("%v, %d refusals, the source holds %q", err, first.worst, stored)
			}
		} else if fault.Of(err) != fault.PINRefused || first.worst != 1 || string(stored) != "old-pin\n" {
			t.Errorf("%v, %d refusals, the source holds %q", err, first.worst, stored)
		}
	}
}

func FuzzPINChange(f *testing.F) {
	for _, seed := range []string{
		`{"version":1,"members":[{"library":"/x.so","label":"a","serial":"1","has":"old","new":{},"old":{}}]}`,
		`{"version":1,"source":"file:/p","follows":"1","members":[{"library":"/x.so","serial":"1","has":"unknown","trying":"new","setting":true,"new":{"lost":1},"old":{"refused":true}}]}`,
		`{"version":2,"members":[]}`, `{}`, `null`, `[`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c PINChange
		if parsePINChange(b, &c) != nil {
			return
		}
		for i := range c.Members {
			m := &c.Members[i]
			m.settle()
			if m.Setting || m.Trying != "" || m.Has == PINNew && c.stuck(m) == nil {
				t.Errorf("%s: %+v", b, m)
			}
		}
	})
}
