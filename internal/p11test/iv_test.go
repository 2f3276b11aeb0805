package p11test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"strings"
	"testing"
)

// sealed is what a seal of the client gave.
type sealed struct {
	code    string
	iv, box []byte
}

func seals(t *testing.T, k Tok, m *Module, operations ...string) []sealed {
	t.Helper()
	var all []sealed
	for _, line := range clientAnswers(t, k, m, ops(operations...)...)[len(start):] {
		words := strings.Fields(line)
		s := sealed{code: words[1]}
		for _, w := range words[2:] {
			name, digits, _ := strings.Cut(w, "=")
			value, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatal(err)
			}
			if name == "iv" {
				s.iv = value
			} else {
				s.box = value
			}
		}
		all = append(all, s)
	}
	return all
}

// openInGo opens with Go's own AES-GCM: the module must not be the only one that
// understands what it makes.
func openInGo(t *testing.T, iv, box []byte) {
	t.Helper()
	block, err := aes.NewCipher(keyBytes)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(iv))
	if err != nil {
		t.Fatal(err)
	}
	got, err := gcm.Open(nil, iv, box, aad)
	if err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("iv %x: %q, %v", iv, got, err)
	}
}

func importedKey(t *testing.T) (Tok, *Module) {
	t.Helper()
	k := Token(t)
	m := Faulty(t, "")
	clientAnswers(t, k, nil, ops("import")...)
	return k, m
}

// opens checks that the token opens the box with the IV in the parameters, under
// every convention.
func opens(t *testing.T, k Tok, m *Module, iv, box []byte) {
	t.Helper()
	got := clientAnswers(t, k, m, ops("open "+hex.EncodeToString(iv)+" "+hex.EncodeToString(box))...)
	if want := "open 0x0 " + hex.EncodeToString(plaintext); got[len(start)] != want {
		t.Errorf("%q, want %q", got[len(start)], want)
	}
}

const tagLen = 16

func TestIVOfTheCaller(t *testing.T) {
	k, m := importedKey(t)
	m.Plan("iv caller")
	s := seals(t, k, m, "seal "+iv12, "seal "+iv12, "seal")
	if !bytes.Equal(s[0].box, s[1].box) || len(s[0].box) != len(plaintext)+tagLen {
		t.Errorf("%x\n%x", s[0].box, s[1].box)
	}
	openInGo(t, s[0].iv, s[0].box)
	opens(t, k, m, s[0].iv, s[0].box)
	if s[2].code != "0x0" {
		t.Errorf("SoftHSM refuses an absent IV now (%s): the conventions' probe can be simpler", s[2].code)
	}
}

func TestIVAppended(t *testing.T) {
	k, m := importedKey(t)
	m.Plan("iv appended")
	s := seals(t, k, m, "seal "+iv12, "seal", "seal")
	if s[0].code != "0x71" {
		t.Errorf("a given IV: %s", s[0].code)
	}
	for _, s := range s[1:] {
		at := len(plaintext) + tagLen
		if s.code != "0x0" || len(s.box) != at+16 || len(s.iv) != 0 {
			t.Fatalf("%+v", s)
		}
		openInGo(t, s.box[at:], s.box[:at])
		opens(t, k, m, s.box[at:], s.box[:at])
	}
	if bytes.Equal(s[1].box, s[2].box) {
		t.Error("the same IV twice")
	}
}

func TestIVWritten(t *testing.T) {
	k, m := importedKey(t)
	m.Plan("iv written")
	zeros := strings.Repeat("00", 12)
	s := seals(t, k, m, "seal", "seal 0011", "seal "+zeros, "seal "+iv12)
	if s[0].code != "0x71" || s[1].code != "0x71" {
		t.Errorf("no place for an IV: %s, %s", s[0].code, s[1].code)
	}
	for _, s := range s[2:] {
		if s.code != "0x0" || len(s.box) != len(plaintext)+tagLen || len(s.iv) != 12 {
			t.Fatalf("%+v", s)
		}
		if given := hex.EncodeToString(s.iv); given == zeros || given == iv12 {
			t.Errorf("the IV is still the caller's %s", given)
		}
		openInGo(t, s.iv, s.box)
		opens(t, k, m, s.iv, s.box)
	}
	if bytes.Equal(s[2].iv, s[3].iv) {
		t.Error("the same IV twice")
	}
}

func TestDevicesThatMakeIVsEncryptInASinglePart(t *testing.T) {
	k, m := importedKey(t)
	for _, c := range []struct{ plan, iv, code string }{
		{"iv caller", iv12, "0x0"},
		{"iv appended", "-", "0x54"},
		{"iv written", iv12, "0x54"},
	} {
		m.Plan(c.plan)
		if s := seals(t, k, m, "seal "+c.iv+" parts"); s[0].code != c.code {
			t.Errorf("%s: %s, want %s", c.plan, s[0].code, c.code)
		}
	}
}
