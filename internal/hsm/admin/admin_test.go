//go:build cgo

package admin_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == admin.Argument {
		admin.Main()
	}
	os.Exit(m.Run())
}

// open starts a library.
func open(t *testing.T, library string) *admin.Device {
	t.Helper()
	d, err := new(admin.Client).Open(library, sks.Timeouts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func value(s string) secret.Value { return secret.New([]byte(s)) }

// enter logs in as the user.
func enter(t *testing.T, k p11test.Tok, library string) *admin.Device {
	t.Helper()
	d := open(t, library)
	if _, err := d.Login(t.Context(), admin.Login{Serial: k.Serial, Role: sks.RoleUser}, value(k.PIN)); err != nil {
		t.Fatal(err)
	}
	return d
}

func newKey(label string, letters string) admin.NewKey {
	a, err := hsm.ParseAttributes(letters)
	if err != nil {
		panic(err)
	}
	id := sks.NewKeyID()
	if a.Has(hsm.Extractable) {
		a |= hsm.TrustedWrapOnly
	}
	return admin.NewKey{ID: id[:], Label: label, Type: hsm.AES, Bits: 256, Attributes: a | hsm.Private | hsm.Sensitive}
}

func TestKeysComeBackAsMade(t *testing.T) {
	k := p11test.Token(t)
	d := enter(t, k, k.Library)
	for _, letters := range []string{"ED", "EDM", "EDMX", "WU", "R", "SV", "PTMWUXREDSV", ""} {
		made, err := d.Generate(t.Context(), newKey("key "+letters, letters))
		if err != nil {
			t.Fatal(letters, err)
		}
		all, err := d.Keys(t.Context(), "key "+letters, true)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		want, _ := hsm.ParseAttributes(letters)
		want |= hsm.Private | hsm.Sensitive | hsm.Past
		if want.Has(hsm.Extractable) {
			want &^= hsm.NeverExtractable
		}
		if got := all[0].Attributes &^ hsm.TrustedWrapOnly; got != want {
			t.Errorf("%s became %s", letters, got.Names())
		}
		all[0].Handle = made.Handle
		if diff := cmp.Diff(made, all[0]); diff != "" {
			t.Error(diff)
		}
	}
	if all, err := d.Keys(t.Context(), "", true); err != nil || len(all) != 8 {
		t.Errorf("%d keys, %v", len(all), err)
	}
}

// A lost login is not an empty token.
func TestALostLoginIsNoEmptyToken(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	d := enter(t, k, m.Path)
	m.Reset()
	m.Plan("on C_FindObjectsInit 1 lose-sessions")
	for range 2 {
		if all, err := d.Keys(t.Context(), "none", false); fault.Of(err) != fault.Unreachable {
			t.Errorf("%v, %v", all, err)
		}
	}
}

// Whatever the token does while a key is made, it holds the key whole, or none.
func TestNothingHalfMadeStays(t *testing.T) {
	for _, action := range []string{"return 0x30", "after 0x30", "return 0xD1", "return 0x101", "vanish", "crash"} {
		t.Run(strings.ReplaceAll(action, " ", "-"), func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			m.Reset()
			if err := generate(t, k, m.Path); err != nil {
				t.Fatal(err)
			}
			for n := m.Calls(); n > 0; n-- {
				deleteAll(t, k)
				m.Reset()
				m.Plan("on * " + strconv.Itoa(n) + " " + action)
				_ = generate(t, k, m.Path) // what it leaves is looked at
				m.Plan()
				m.Return()
				d := enter(t, k, k.Library)
				all, err := d.Keys(t.Context(), "", true)
				if err != nil || len(all) > 1 {
					t.Fatalf("at %d: %v, %v", n, all, err)
				}
				for _, one := range all { // its answer was lost
					if one.Attributes.String() != "PMTXED" || !one.Attributes.Has(hsm.TrustedWrapOnly) || one.KCV == "" || one.Label != "made" {
						t.Errorf("at %d: left is %v %s", n, one, one.Attributes)
					}
				}
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// deleteAll deletes all keys.
func deleteAll(t *testing.T, k p11test.Tok) {
	t.Helper()
	d := enter(t, k, k.Library)
	all, err := d.Keys(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if err := d.Delete(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// generate logs in, makes a key, and ends.
func generate(t *testing.T, k p11test.Tok, library string) error {
	t.Helper()
	d := open(t, library)
	defer d.Close()
	if _, err := d.Login(t.Context(), admin.Login{Serial: k.Serial, Role: sks.RoleUser}, value(k.PIN)); err != nil {
		return err
	}
	_, err := d.Generate(t.Context(), newKey("made", "EDMX"))
	return err
}

// A refused PIN is one C_Login; what the flags forbid is none.
func TestOneTry(t *testing.T) {
	for plan, c := range map[string]struct {
		pin    string
		want   fault.Cause
		logins int
		says   string
	}{
		"log":                      {"wrong-pin", fault.PINRefused, 1, "refused since the last login"},
		"flags 0x40000 0":          {"right", fault.PINLocked, 0, "locked"},
		"flags 0x20000 0":          {"right", fault.PINRefused, 0, "one more refused PIN locks it"},
		"flags 0x10000 0":          {"right", fault.PINRefused, 0, "refused since"},
		"flags 0 0x8":              {"right", fault.PINUnavailable, 0, "no user PIN"},
		"on C_Login * return 0xA4": {"right", fault.PINLocked, 1, "CKR_PIN_LOCKED"},
	} {
		t.Run(strings.ReplaceAll(plan, "*", "any"), func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			m.Plan(plan)
			if c.pin == "right" {
				c.pin = k.PIN
			}
			d := open(t, m.Path)
			_, tried, err := d.TryLogin(t.Context(), admin.Login{Serial: k.Serial, Role: sks.RoleUser, Unattended: true}, value(c.pin))
			if fault.Of(err) != c.want || !strings.Contains(err.Error(), c.says) || tried != (c.logins > 0) || m.CallsOf("C_Login") != c.logins {
				t.Errorf("%v (cause %v), tried %v, %d logins", err, fault.Of(err), tried, m.CallsOf("C_Login"))
			}
		})
	}
}

// A session is one login: a second one in a process would accept any PIN.
func TestOneLoginInAProcess(t *testing.T) {
	k := p11test.Token(t)
	d := enter(t, k, k.Library)
	if _, err := d.Login(t.Context(), admin.Login{Serial: k.Serial, Role: sks.RoleUser}, value("wrong-pin")); err == nil {
		t.Error("a second login")
	}
}
