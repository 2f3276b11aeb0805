package admin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// loggedIn opens a token through a library, and logs in.
func loggedIn(t *testing.T, k p11test.Tok, library string, role sks.Role) *admin.Device {
	t.Helper()
	d, err := new(admin.Client).Open(library, sks.Timeouts{}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	pin := k.PIN
	if role == sks.RoleSO {
		pin = k.SOPIN
	}
	if _, err := d.Login(context.Background(), admin.Login{Serial: k.Serial, Slot: k.Slot, Role: role}, secret.New([]byte(pin))); err != nil {
		t.Fatal(err)
	}
	return d
}

// described gives a key of a label, to be made.
func described(label string, kind hsm.KeyType, bits int, a hsm.Attributes) admin.NewKey {
	id := sks.NewKeyID()
	return admin.NewKey{ID: id[:], Label: label, Type: kind, Bits: bits, Attributes: a}
}

// placed stores a key of known value.
func placed(t *testing.T, d *admin.Device, value []byte, a hsm.Attributes) admin.Key {
	t.Helper()
	k := hsm.Key{Type: hsm.AES, Value: secret.New(value)}
	kcv, err := k.KCV()
	if err != nil {
		t.Fatal(err)
	}
	made, err := d.Place(t.Context(), described("placed", hsm.AES, 8*len(value), a), k.Value, kcv, false)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

const (
	safe    = hsm.Private | hsm.Sensitive
	wrapper = safe | hsm.Wrap | hsm.Unwrap
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// Nothing is stored under another check value, and a rehearsal stores nothing.
func TestPlaceStoresNothingElse(t *testing.T) {
	k := p11test.Token(t)
	before := k.Snapshot(t)
	d := loggedIn(t, k, k.Library, sks.RoleUser)
	for name, c := range map[string]struct {
		kind hsm.KeyType
		bits int
		a    hsm.Attributes
	}{
		"aes":                         {hsm.AES, 256, safe | hsm.Encrypt | hsm.Decrypt},
		"wrapper, which encrypts not": {hsm.AES, 128, wrapper},
		"des3 of two keys":            {hsm.DES3, 128, safe | hsm.Encrypt},
		"des3":                        {hsm.DES3, 192, safe | hsm.Encrypt},
	} {
		components, key, err := hsm.Generate(c.kind, c.bits, 2)
		if err != nil {
			t.Fatal(err)
		}
		hsm.WipeAll(components)
		right, err := key.KCV()
		if err != nil {
			t.Fatal(err)
		}
		wrong := right
		wrong[2] ^= 1
		if _, err := d.Place(t.Context(), described(name, c.kind, c.bits, c.a), key.Value, wrong, false); err == nil || !strings.Contains(err.Error(), right.String()) {
			t.Errorf("%s: %v", name, err)
		}
		made, err := d.Place(t.Context(), described(name, c.kind, c.bits, c.a), key.Value, right, true)
		if err != nil || made.KCV != right.String() {
			t.Errorf("%s, rehearsal: %v, %s", name, err, made.KCV)
		}
	}
	// What the token does not know is found out before anything is stored.
	if _, err := d.Place(t.Context(), described("w", hsm.AES, 128, safe|hsm.Export), secret.New(random(16)), hsm.KCV{}, false); fault.Of(err) != fault.Usage {
		t.Errorf("%v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, k.Snapshot(t)); diff != "" {
		t.Error(diff)
	}
}

// Whoever has the user PIN of the token alone carries no replicable key out:
// under no key of his own, whatever he tries to make of it.
func TestReplicableKeyStays(t *testing.T) {
	k := p11test.Token(t)
	d := loggedIn(t, k, k.Library, sks.RoleUser)
	defer d.Close()
	target, err := d.Generate(t.Context(), described("target", hsm.AES, 256, safe|hsm.Encrypt|hsm.Decrypt|hsm.Extractable|hsm.TrustedWrapOnly))
	if err != nil {
		t.Fatal(err)
	}
	own := placed(t, d, random(32), wrapper|hsm.Modifiable)
	pair, err := d.Pair(t.Context(), "own pair", []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	notWrappable := func(err error) {
		t.Helper()
		if code, _ := cryptoki.Code(err); code != 0x69 {
			t.Errorf("%v", err)
		}
	}
	_, _, err = d.Wrap(t.Context(), target, own, "", false)
	notWrappable(err)
	_, _, err = d.Wrap(t.Context(), target, own, hsm.KW, false)
	notWrappable(err)
	_, _, err = d.Wrap(t.Context(), target, pair, admin.OAEP1, false)
	notWrappable(err)
	if _, err := d.Set(t.Context(), own, hsm.Trusted, 0); err == nil {
		t.Error("the user made his own key trusted")
	}
	if _, err := d.Set(t.Context(), target, 0, hsm.TrustedWrapOnly); err == nil {
		t.Error("the user let the key leave under any other")
	}
	if _, err := d.Set(t.Context(), target, 0, hsm.Sensitive); err == nil {
		t.Error("the user made the key readable")
	}
	if key, err := rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	} else if _, err := d.Trust(t.Context(), "own peer", []byte{2}, &key.PublicKey); err == nil {
		t.Error("the user made a public key trusted")
	}
	if _, err := d.Place(t.Context(), described("trusted", hsm.AES, 256, wrapper|hsm.Trusted), secret.New(random(32)), hsm.KCV{}, false); err == nil {
		t.Error("the user stored a trusted wrapper")
	}
	_, _, err = d.Wrap(t.Context(), target, own, "", false)
	notWrappable(err)
	// The identity unwraps, and shows nothing of what it unwraps.
	all, err := d.Keys(t.Context(), "own pair", false)
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %d keys", err, len(all))
	}
	for _, one := range all {
		if one.Class == admin.PrivateKey && (!one.Attributes.Has(safe|hsm.Unwrap) || one.Attributes&(hsm.Decrypt|hsm.Extractable|hsm.Modifiable|hsm.Sign) != 0) {
			t.Errorf("private key: %s", one.Attributes.Names())
		}
		if _, err := d.Set(t.Context(), one, hsm.Decrypt, 0); err == nil {
			t.Errorf("%s: the user let it decrypt", one.Class)
		}
	}
}

// The security officer vouches for a key, and the other token takes what left
// under it.
func TestTrustedWrappers(t *testing.T) {
	k := p11test.Token(t)
	other := k.Again(t, "other")
	value := random(32)
	there := loggedIn(t, other, k.Library, sks.RoleUser)
	pair, err := there.Pair(t.Context(), "identity", []byte{1})
	if err != nil {
		t.Fatal(err)
	}
	public, err := there.Public(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	placed(t, there, value, safe|hsm.Unwrap)
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}

	so := loggedIn(t, k, k.Library, sks.RoleSO)
	if _, err := so.Trust(t.Context(), "peer", []byte{1}, public); err != nil {
		t.Fatal(err)
	}
	made := placed(t, so, value, hsm.Sensitive|hsm.Wrap|hsm.Trusted)
	if !made.Attributes.Has(hsm.Trusted|hsm.Wrap) || made.Attributes.Has(hsm.Private) {
		t.Errorf("%s", made.Attributes.Names())
	}
	if err := so.Close(); err != nil {
		t.Fatal(err)
	}

	here := loggedIn(t, k, k.Library, sks.RoleUser)
	target, err := here.Generate(t.Context(), described("target", hsm.AES, 256, safe|hsm.Encrypt|hsm.Extractable|hsm.TrustedWrapOnly))
	if err != nil {
		t.Fatal(err)
	}
	one := func(d *admin.Device, label string, class admin.Class) admin.Key {
		t.Helper()
		all, err := d.Keys(t.Context(), label, true)
		for _, k := range all {
			if k.Class == class {
				return k
			}
		}
		t.Fatalf("no %s key %q: %v", class, label, err)
		return admin.Key{}
	}
	how, bySecret, err := here.Wrap(t.Context(), target, one(here, "placed", admin.SecretKey), "", false)
	if err != nil || how != hsm.KWP || len(bySecret) != 40 {
		t.Fatalf("%v, %s, %d bytes", err, how, len(bySecret))
	}
	_, byPublic, err := here.Wrap(t.Context(), target, one(here, "peer", admin.PublicKey), admin.OAEP1, false)
	if err != nil || len(byPublic) != 384 {
		t.Fatalf("%v, %d bytes", err, len(byPublic))
	}
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}

	there = loggedIn(t, other, k.Library, sks.RoleUser)
	defer there.Close()
	kcv, err := hsm.ParseKCV(target.KCV)
	if err != nil {
		t.Fatal(err)
	}
	secretOne, privateOne := one(there, "placed", admin.SecretKey), one(there, "identity", admin.PrivateKey)
	for label, c := range map[string]struct {
		text []byte
		by   admin.Key
		how  hsm.Mechanism
	}{"by secret": {bySecret, secretOne, hsm.KWP}, "by public": {byPublic, privateOne, admin.OAEP1}} {
		made, err := there.Unwrap(t.Context(), described(label, hsm.AES, 256, safe|hsm.Encrypt|hsm.Decrypt), c.text, c.by, c.how, kcv)
		if err != nil || made.KCV != target.KCV || made.Attributes.Has(hsm.Extractable) {
			t.Errorf("%s: %v, %+v", label, err, made)
		}
		altered := bytes.Clone(c.text)
		altered[len(altered)/2] ^= 1
		for what, try := range map[string]struct {
			text []byte
			kcv  hsm.KCV
		}{"an altered text": {altered, kcv}, "another KCV": {c.text, hsm.KCV{1}}, "cut short": {c.text[:len(c.text)-8], kcv}} {
			if _, err := there.Unwrap(t.Context(), described("never", hsm.AES, 256, safe|hsm.Encrypt), try.text, c.by, c.how, try.kcv); fault.Of(err) != fault.Tampered {
				t.Errorf("%s, %s: %v", label, what, err)
			}
		}
	}
	if all, err := there.Keys(t.Context(), "never", false); err != nil || len(all) != 0 {
		t.Errorf("%v, %d keys were stored", err, len(all))
	}
}
