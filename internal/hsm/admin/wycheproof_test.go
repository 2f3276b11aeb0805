package admin_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/p11test"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// hexBytes are bytes that JSON has as hexadecimal digits.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vector is a key wrap of the project Wycheproof.
type vector struct {
	ID          int      `json:"tcId"`
	Comment     string   `json:"comment"`
	Key         hexBytes `json:"key"`
	Message     hexBytes `json:"msg"`
	Wrapped     hexBytes `json:"ct"`
	Result      string   `json:"result"`
	isKeyOfOurs bool
}

func vectors(t *testing.T, file string) (all []vector) {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		TestGroups []struct{ Tests []vector }
	}
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	for _, g := range parsed.TestGroups {
		for _, v := range g.Tests {
			_, err := hsm.AES.Size(8 * len(v.Message))
			v.isKeyOfOurs = err == nil
			all = append(all, v)
		}
	}
	return all
}

// Every vector through a token: valid ones both ways, of which there are many
// whose length is that of an AES key; no other leaves anything there.
func TestWycheproof(t *testing.T) {
	k := p11test.Token(t)
	before := k.Snapshot(t)
	d := loggedIn(t, k, k.Library, sks.RoleUser)
	for file, how := range map[string]hsm.Mechanism{"aes_kwp_test.json": hsm.KWP, "aes_wrap_test.json": hsm.KW} {
		count := map[bool]int{}
		for _, v := range vectors(t, file) {
			valid := v.Result != "invalid"
			if len(v.Wrapped) == 0 || valid && !v.isKeyOfOurs {
				continue // nothing to unwrap; lengths that our keys do not have
			}
			count[valid]++
			v.try(t, d, how, valid)
		}
		if count[true] < 20 || count[false] < 60 {
			t.Errorf("%s: only %d valid and %d invalid vectors", file, count[true], count[false])
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, k.Snapshot(t)); diff != "" {
		t.Error(diff)
	}
}

func (v vector) try(t *testing.T, d *admin.Device, how hsm.Mechanism, valid bool) {
	t.Helper()
	remove := func(k admin.Key) {
		if err := d.Delete(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	kek := placed(t, d, bytes.Clone(v.Key), wrapper)
	defer remove(kek)
	bits, kcv := 128, hsm.KCV{}
	if v.isKeyOfOurs {
		key := hsm.Key{Type: hsm.AES, Value: secret.New(bytes.Clone(v.Message))}
		var err error
		if kcv, err = key.KCV(); err != nil {
			t.Fatal(err)
		}
		bits = key.Bits()
	}
	made, err := d.Unwrap(t.Context(), described("unwrapped", hsm.AES, bits, safe|hsm.Encrypt), v.Wrapped, kek, how, kcv)
	if !valid {
		if fault.Of(err) != fault.Tampered {
			t.Errorf("%s %d (%s): %v", how, v.ID, v.Comment, err)
		}
		if err == nil {
			remove(made)
		}
		return
	}
	if err != nil {
		t.Errorf("%s %d (%s): %v", how, v.ID, v.Comment, err)
		return
	}
	remove(made)
	key := placed(t, d, bytes.Clone(v.Message), safe|hsm.Extractable)
	defer remove(key)
	if _, text, err := d.Wrap(t.Context(), key, kek, how, false); err != nil || !bytes.Equal(text, v.Wrapped) {
		t.Errorf("%s %d (%s): %v, %x", how, v.ID, v.Comment, err, text)
	}
}
