package recovery

import (
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
)

const testInstance = "004165927558"

var testTime = time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)

// tb is what helpers need of a test, of a fuzz target and of a rapid check.
type tb interface {
	Helper()
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

// fixture is a recovery with a file that it sealed.
type fixture struct {
	setup Setup
	key   secret.Value
	id    Identity
	save  Save
	file  []byte
}

func newFixture(t tb, shares Shares) fixture {
	t.Helper()
	f := fixture{key: NewKey(), setup: Setup{Shares: shares, Key: NewSigningKey()}}
	var err error
	if f.setup.Recipient, err = RecipientOf(f.key); err != nil {
		t.Fatal(err)
	}
	if f.id, err = ParseIdentity(IdentityFile(f.key, f.setup.Public(), testInstance, testTime)); err != nil {
		t.Fatal(err)
	}
	f.save = Save{
		Instance: testInstance, Generation: 7, SaveID: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", Time: testTime,
		InstanceText: settingsText(t, f.setup, testInstance), SharedText: []byte("sso_domain=acme\n"),
		Bound: []Digest{digestOf("idp_metadata.xml", []byte("x"))},
	}
	if f.file, err = f.setup.Seal(f.save); err != nil {
		t.Fatal(err)
	}
	return f
}

// settingsText is an instance.properties with that setup.
func settingsText(t tb, s Setup, instance string) []byte {
	t.Helper()
	set := &properties.Set{}
	if err := set.Set("instance_number", instance); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(set); err != nil {
		t.Fatal(err)
	}
	return set.Encode()
}

// wantCause fails unless err has that cause.
func wantCause(t tb, err error, want fault.Cause, what string) {
	t.Helper()
	if err == nil || fault.Of(err) != want {
		t.Errorf("%s: %v (cause %v), want cause %v", what, err, fault.Of(err), want)
	}
}
