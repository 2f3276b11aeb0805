package admin

import (
	"crypto/aes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"ssovault/internal/hsm"
)

// The vectors of the two standards tell the wraps apart.
func TestIntegrityTellsTheWrap(t *testing.T) {
	for name, c := range map[string]struct {
		kek, wrapped string
		size         int
		want         hsm.Mechanism
	}{
		"RFC 3394, 4.6": {"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
			"28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21", 32, hsm.KW},
		"RFC 5649, 6": {"5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
			"138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a", 20, hsm.KWP},
		"another length": {"5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
			"138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a", 24, ""},
		"another key": {"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1E",
			"28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21", 32, ""},
	} {
		t.Run(name, func(t *testing.T) {
			kek, _ := hex.DecodeString(c.kek)
			wrapped, _ := hex.DecodeString(c.wrapped)
			before := slices.Clone(wrapped)
			block, err := aes.NewCipher(kek)
			if err != nil {
				t.Fatal(err)
			}
			value, err := integrity(wrapped, func(b []byte) ([]byte, error) {
				out := make([]byte, len(b))
				block.Decrypt(out, b)
				return out, nil
			})
			if err != nil || !slices.Equal(before, wrapped) {
				t.Fatalf("%v; changed: %t", err, !slices.Equal(before, wrapped))
			}
			if got, ok := wrapOf(value, c.size); got != c.want || ok != (c.want != "") {
				t.Errorf("%x is %q", value, got)
			}
		})
	}
}

func TestIntegrityOfNonsense(t *testing.T) {
	same := func(b []byte) ([]byte, error) { return b, nil }
	for _, n := range []int{0, 1, 8, 16, 23, 25} {
		if _, err := integrity(make([]byte, n), same); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
	sick := errors.New("sick")
	if _, err := integrity(make([]byte, 24), func([]byte) ([]byte, error) { return nil, sick }); !errors.Is(err, sick) {
		t.Errorf("%v", err)
	}
	if _, err := integrity(make([]byte, 24), func(b []byte) ([]byte, error) { return b[:8], nil }); err == nil {
		t.Error("half a block was taken")
	}
}
