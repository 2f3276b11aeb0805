package sks_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"ssovault/internal/sks"
)

var conventions = []sks.IVConvention{sks.IVCaller, sks.IVAppended, sks.IVWritten}

func TestConventionsAreNamed(t *testing.T) {
	for c, want := range map[sks.IVConvention]string{
		sks.IVCaller: "caller", sks.IVAppended: "token-appended", sks.IVWritten: "token-written",
	} {
		if c.String() != want {
			t.Errorf("%d is called %q, want %q", c, c, want)
		}
		if got, err := sks.ParseIVConvention(want); err != nil || got != c {
			t.Errorf("%q is %v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", "Caller", "caller ", "IVConvention(0)"} {
		if c, err := sks.ParseIVConvention(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, c)
		}
	}
}

func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(conventions).Draw(t, "convention")
		iv := rapid.SliceOfN(rapid.Byte(), c.IVSize(), c.IVSize()).Draw(t, "iv")
		sealed := rapid.SliceOfN(rapid.Byte(), sks.TagSize, 100).Draw(t, "sealed")
		box := append(bytes.Clone(iv), sealed...)
		if c != sks.IVCaller {
			box = append(bytes.Clone(sealed), iv...)
		}
		gotIV, gotSealed, err := c.Split(box)
		if err != nil || !bytes.Equal(gotIV, iv) || !bytes.Equal(gotSealed, sealed) {
			t.Fatalf("%s: %x and %x, %v", c, gotIV, gotSealed, err)
		}
		if short := box[:c.Overhead()-1]; len(short) > 0 {
			if _, _, err := c.Split(short); err == nil {
				t.Fatalf("%s: a box of %d bytes was split", c, len(short))
			}
		}
	})
	for _, unknown := range []sks.IVConvention{0, 4, 255} {
		if _, _, err := unknown.Split(make([]byte, 100)); err == nil {
			t.Errorf("a box of convention %d was split", unknown)
		}
	}
}

func TestSizes(t *testing.T) {
	for c, want := range map[sks.IVConvention]int{sks.IVCaller: 28, sks.IVAppended: 32, sks.IVWritten: 28} {
		if got := c.Overhead(); got != want {
			t.Errorf("%s: overhead %d, want %d", c, got, want)
		}
	}
}
