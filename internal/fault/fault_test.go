package fault

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestEveryCauseHasARow(t *testing.T) {
	exits := map[int]Cause{}
	for _, c := range All() {
		r := c.row()
		if r.text == "" || r.hint == "" || r.exit == 0 {
			t.Errorf("cause %d has no text, hint or exit code", c)
		}
		if strings.HasSuffix(r.text, ".") || strings.HasSuffix(r.hint, ".") {
			t.Errorf("cause %d: text and hint end without a full stop", c)
		}
		if other, taken := exits[r.exit]; taken {
			t.Errorf("causes %d and %d share the exit code %d", other, c, r.exit)
		}
		exits[r.exit] = c
	}
}

// The numbers are what scripts rely on.
func TestLettersAndCodes(t *testing.T) {
	for c, want := range map[Cause]struct {
		letter string
		exit   int
	}{
		Unreachable: {"a", 10}, NoConfiguration: {"b", 11}, FileMissing: {"c", 12}, KeyMissing: {"d", 13},
		DiskFull: {"e", 14}, NoGCM: {"f", 15}, KeyStoreMissing: {"g", 16},
		PINRefused: {"20", 20}, PINLocked: {"21", 21}, PINUnavailable: {"22", 22}, KeyAmbiguous: {"23", 23},
		WrongKey: {"24", 24}, WrongInstance: {"25", 25}, Tampered: {"26", 26}, RolledBack: {"27", 27},
		Malformed: {"28", 28}, MixedConfiguration: {"29", 29}, NotPermitted: {"30", 30}, Busy: {"31", 31},
		DeviceLockedDown: {"32", 32}, Unclassified: {"1", 1}, Usage: {"2", 2}, Interrupted: {"130", 130},
		CommandNotFound: {"127", 127}, CommandNotRunnable: {"126", 126},
	} {
		if c.Letter() != want.letter || c.ExitCode() != want.exit {
			t.Errorf("%v: letter %s, exit %d; want %s, %d", c, c.Letter(), c.ExitCode(), want.letter, want.exit)
		}
		if sks := want.exit >= 10 && want.exit <= 32; c.OfKeyStorage() != sks {
			t.Errorf("%v: OfKeyStorage %v", c, c.OfKeyStorage())
		}
	}
}

// An error may say what is the matter in words of its own, of its cause alone.
func TestTextFor(t *testing.T) {
	own := New(WrongKey, "compare").Because("two keys differ")
	for want, err := range map[string]error{
		"two keys differ":                Wrap(Unreachable, own, "look"),
		WrongKey.Error():                 New(WrongKey, "open"),
		Unreachable.Error():              &Error{Cause: Unreachable, Err: own},
		Unclassified.Error():             errors.New("x"),
		New(Tampered, "x").Cause.Error(): Tampered,
	} {
		if got := TextFor(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	if Wrap(Tampered, nil, "open") != nil {
		t.Error("Wrap of nil is not nil")
	}
	inner := New(KeyMissing, "find the key").With("look again")
	outer := Wrap(Unreachable, inner, "start")
	if Of(outer) != KeyMissing {
		t.Errorf("the cause became %v", Of(outer))
	}
	if got := HintFor(outer); got != "look again" {
		t.Errorf("hint %q", got)
	}
	if got := outer.Error(); got != "start: find the key" {
		t.Errorf("text %q", got)
	}
	if !errors.Is(outer, KeyMissing) {
		t.Error("errors.Is does not find the cause")
	}
	plain := Wrap(NotPermitted, fs.ErrPermission, "open it")
	if !errors.Is(plain, fs.ErrPermission) || !errors.Is(plain, NotPermitted) {
		t.Error("one of the two is lost")
	}
	if Of(errors.New("x")) != Unclassified || Of(nil) != Unclassified {
		t.Error("an unknown error has a cause")
	}
	for _, err := range []error{New(Tampered, "x"), Wrap(Unclassified, New(Tampered, "x"), "y"), Wrap(Tampered, errors.New("x"), "y"), Tampered} {
		if HintFor(err) != Tampered.Hint() {
			t.Errorf("%v: the cause's own hint is lost", err)
		}
	}
}
