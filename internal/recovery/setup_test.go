package recovery

import (
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
)

func TestSetupComesBackFromTheSettings(t *testing.T) {
	for _, shares := range []Shares{{}, {2, 3}} {
		f := newFixture(t, shares)
		set, err := properties.Parse(f.save.InstanceText)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Read(set)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f.setup.Public(), got.Public()); diff != "" {
			t.Error(diff)
		}
		if !Remove(set) || Remove(set) {
			t.Error("Remove does not tell whether there was one")
		}
		if none, err := Read(set); none != nil || err != nil {
			t.Errorf("after Remove: %v %v", none, err)
		}
	}
}

func TestHalfASetupIsNone(t *testing.T) {
	f := newFixture(t, Shares{})
	for _, key := range []string{keyRecipient, keySigningKey} {
		set, err := properties.Parse(f.save.InstanceText)
		if err != nil {
			t.Fatal(err)
		}
		set.Unset(key)
		_, err = Read(set)
		wantCause(t, err, fault.Malformed, "without "+key)
	}
	set, err := properties.Parse(f.save.InstanceText)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := set.Get(keySigningKey)
	if err := set.Set(keySigningKey, text[1:]); err != nil {
		t.Fatal(err)
	}
	_, err = Read(set)
	wantCause(t, err, fault.Malformed, "a key cut short")
	if strings.Contains(fmt.Sprint(err), text[1:]) {
		t.Error("the error holds the key")
	}
}

func TestShares(t *testing.T) {
	for _, bad := range []string{"1 of 3", "3 of 2", "2 of 100", "2of3", "02 of 3", "2 of 3 ", " of "} {
		if _, err := ParseShares(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	s, err := ParseShares("3 of 5")
	if err != nil || s != (Shares{3, 5}) {
		t.Errorf("%v %v", s, err)
	}
}

func TestParseRecipient(t *testing.T) {
	f := newFixture(t, Shares{})
	for _, bad := range []string{"", "age1", f.setup.Recipient + "\n" + f.setup.Recipient, " " + f.setup.Recipient, "# x", f.setup.Recipient + "\n"} {
		_, err := ParseRecipient(bad)
		wantCause(t, err, fault.Usage, bad)
	}
	_, err := ParseRecipient(keyText(f.key))
	wantCause(t, err, fault.Usage, "a secret key")
	if strings.Contains(fmt.Sprint(err), keyText(f.key)[20:]) {
		t.Error("the error holds the key")
	}
}

func TestKeyTextIsWhatAgeReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := secret.New(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		id, err := age.ParseX25519Identity(keyText(key))
		if err != nil {
			t.Fatal(err)
		}
		if id.String() != keyText(key) {
			t.Errorf("age writes it otherwise")
		}
	})
}

func TestSignerComesBackHoweverItIsTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Signer
		copy(s[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "signer"))
		for _, typed := range []string{s.String(), strings.ToLower(s.String()), strings.ReplaceAll(s.String(), "-", " "), strings.ReplaceAll(s.String(), "O", "0")} {
			if got, err := ParseSigner(typed); err != nil || got != s {
				t.Errorf("%q: %v", typed, err)
			}
		}
		// Of the last letter one bit counts: the others are zero.
		if got, err := ParseSigner(s.String()[:len(s.String())-1] + "B"); err == nil {
			t.Errorf("two ways to write %v", got)
		}
	})
}

func TestIdentityFile(t *testing.T) {
	f := newFixture(t, Shares{})
	text := string(IdentityFile(f.key, f.setup.Public(), testInstance, testTime))
	if f.id.Instance != testInstance || f.id.Signer == nil || *f.id.Signer != f.setup.Key.Signer() {
		t.Errorf("%+v", f.id)
	}
	own, err := ParseIdentity([]byte(keyText(f.key) + "\n"))
	if err != nil || own.Signer != nil || own.Instance != "" {
		t.Errorf("a bare identity: %+v %v", own, err)
	}
	_, err = ParseIdentity([]byte(strings.Replace(text, signerComment, signerComment+"X", 1)))
	wantCause(t, err, fault.Usage, "a signer that is none")
	_, err = ParseIdentity([]byte(strings.Replace(text, "AGE-SECRET-KEY-1", "AGE-SECRET-KEY-1Q", 1)))
	wantCause(t, err, fault.Usage, "a key that is none")
	if strings.Contains(fmt.Sprint(err), keyText(f.key)[20:]) {
		t.Error("the error holds the key")
	}
	if !WroteFor([]byte(text), f.setup.Public()) || !WroteFor(nil, f.setup.Public()) || WroteFor([]byte(text), newFixture(t, Shares{}).setup.Public()) {
		t.Error("WroteFor")
	}
}
