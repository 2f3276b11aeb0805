//go:build cgo

package admin_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/p11test"
)

// mixed fills a token with keys of every kind, labels that are long or none, and
// an object that is no key.
func mixed(t *testing.T, k p11test.Tok) (keys int) {
	t.Helper()
	d := enter(t, k, k.Library)
	for _, one := range []admin.NewKey{
		described("aes", hsm.AES, 256, safe|hsm.Encrypt), described("", hsm.AES, 128, safe), described("des", hsm.DES3, 192, safe|hsm.Encrypt|hsm.Decrypt),
		described(strings.Repeat("long ", 200), hsm.AES, 256, safe), described("two", hsm.DES3, 128, safe|hsm.Wrap),
		described("leaves", hsm.AES, 192, safe|hsm.Extractable|hsm.TrustedWrapOnly|hsm.Modifiable),
	} {
		if _, err := d.Generate(t.Context(), one); err != nil {
			t.Fatal(one.Label, err)
		}
		keys++
	}
	long := described("long id", hsm.AES, 256, safe)
	long.ID = bytes.Repeat([]byte{7}, 300)
	if _, err := d.Generate(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	placed(t, d, random(32), safe|hsm.Decrypt)
	if _, err := d.Pair(t.Context(), "pair", []byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return keys + 1 + 1 + 2
}

func listed(t *testing.T, k p11test.Tok, library string) []admin.Key {
	t.Helper()
	d := enter(t, k, library)
	defer d.Close()
	all, err := d.Keys(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		all[i].Handle = 0
	}
	return all
}

// However a token refuses attributes, the rest is told.
func TestWhatATokenDoesNotTell(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	n := mixed(t, k)
	plain := listed(t, k, k.Library)
	if len(plain) != n {
		t.Fatalf("%d keys of %d: %v", len(plain), n, plain)
	}
	for _, key := range plain {
		if key.Bits == 0 || len(key.ID) == 0 || key.Class == admin.SecretKey && (key.KCV == "" || !key.Known.Has(hsm.TrustedWrapOnly|hsm.Trusted)) {
			t.Errorf("%+v", key)
		}
	}
	for _, how := range []string{"beside", "stops", "nothing", "marks"} {
		for name, c := range map[string]struct {
			untold []uint
			less   hsm.Attributes
			lost   func(*admin.Key)
		}{
			"nothing is kept back": {},
			"one":                  {[]uint{0x210}, hsm.TrustedWrapOnly, nil},
			"two side by side":     {[]uint{0x104, 0x105}, hsm.Encrypt | hsm.Decrypt, nil},
			"first and last":       {[]uint{0x121, 0x90, 0x86}, hsm.Trusted, func(k *admin.Key) { k.KCV = "" }},
			"label":                {[]uint{0x3}, 0, func(k *admin.Key) { k.Label = "" }},
			"many":                 {[]uint{0x210, 0x86, 0x10C, 0x170}, hsm.TrustedWrapOnly | hsm.Trusted | hsm.Derive | hsm.Modifiable, nil},
		} {
			t.Run(how+" "+name, func(t *testing.T) {
				var lines []string
				for _, u := range c.untold {
					lines = append(lines, fmt.Sprintf("untold %#x %s", u, how))
				}
				m.Plan(lines...)
				want := slices.Clone(plain)
				for i := range want {
					want[i].Attributes &^= c.less
					want[i].Known &^= c.less
					if c.lost != nil {
						c.lost(&want[i])
					}
				}
				sortKeys(want)
				got := listed(t, k, m.Path)
				sortKeys(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// sortKeys orders keys by what every plan leaves.
func sortKeys(keys []admin.Key) {
	slices.SortFunc(keys, func(a, b admin.Key) int {
		return strings.Compare(fmt.Sprintf("%x %s", a.ID, a.Class), fmt.Sprintf("%x %s", b.ID, b.Class))
	})
}

// A list makes one call for an object, and some more for the first of each kind.
func TestOneCallForAKey(t *testing.T) {
	for _, how := range []string{"log", "untold 0x210 beside", "untold 0x210 nothing"} {
		t.Run(how, func(t *testing.T) {
			k, m := p11test.Token(t), p11test.Faulty(t, "")
			const keys = 100
			d := enter(t, k, k.Library)
			for range keys {
				if _, err := d.Generate(t.Context(), described("k", hsm.AES, 256, safe)); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			m.Plan(how)
			d = enter(t, k, m.Path)
			m.Reset()
			all, err := d.Keys(t.Context(), "", false)
			if n := m.CallsOf("C_GetAttributeValue"); err != nil || len(all) != keys || n > keys+50 || how == "log" && n != keys {
				t.Errorf("%d calls for %d keys, %v", n, len(all), err)
			}
		})
	}
}

// An error that is no refusal is none of an attribute.
func TestAListThatBreaksOff(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	mixed(t, k)
	for _, action := range []string{"return 0x30", "return 0x190", "return 0xB3", "lose-sessions", "vanish"} {
		for at := 1; at <= 12; at++ {
			m.Plan()
			m.Return()
			d := enter(t, k, m.Path)
			m.Reset()
			m.Plan(fmt.Sprintf("on C_GetAttributeValue %d+ %s", at, action))
			if all, err := d.Keys(t.Context(), "", false); fault.Of(err) != fault.Unreachable {
				code, _ := cryptoki.Code(err)
				t.Errorf("%s at %d: %d keys, %v (%#x)", action, at, len(all), err, code)
			}
			_ = d.Close() // the session may be gone
		}
	}
}

// A library that gives every asker functions of its own knows no session of
// another's: then the binding reads.
func TestFunctionsOfAnotherInstance(t *testing.T) {
	k, m := p11test.Token(t), p11test.Faulty(t, "")
	mixed(t, k)
	want := listed(t, k, k.Library)
	for _, code := range []string{"0x190", "0xB3"} {
		d := enter(t, k, m.Path)
		m.Reset()
		m.Plan("on C_GetAttributeValue 1 return " + code)
		got, err := d.Keys(t.Context(), "", false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].Handle = 0
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		m.Plan()
		_ = d.Close()
	}
}
