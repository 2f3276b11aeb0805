package vault

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
)

func TestKeyNumber(t *testing.T) {
	base := KeyLabelFor(testInstance)
	for label, want := range map[string]int{
		base: 1, base + " -2": 2, base + " -10": 10,
		base + " -1": 0, base + " -0": 0, base + " -02": 0, base + "-2": 0, base + " -2 ": 0, base + " --2": 0, base + " -+2": 0,
		base + " -99999999999999999999": 0, base + " -1048577": 0, base + "3": 0, "": 0, "SSO Vault Properties ": 0,
		KeyLabelFor("999999999999") + " -2": 0,
	} {
		if got := keyNumber(label, testInstance); got != want {
			t.Errorf("%q is number %d, want %d", label, got, want)
		}
	}
}

// What numberedLabel writes, keyNumber reads, and nothing else.
func TestLabelsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, maxKeyNumber).Draw(t, "n")
		if got := keyNumber(numberedLabel(testInstance, n), testInstance); got != n {
			t.Errorf("%d came back as %d", n, got)
		}
		label := KeyLabelFor(testInstance) + rapid.String().Draw(t, "rest")
		if n := keyNumber(label, testInstance); n != 0 && numberedLabel(testInstance, n) != label {
			t.Errorf("%q passed for number %d", label, n)
		}
	})
}

func TestNextLabel(t *testing.T) {
	ctx := context.Background()
	base := KeyLabelFor(testInstance)
	for _, c := range []struct {
		name string
		have []string
		want string
	}{
		{"the first", nil, base},
		{"somebody else's", []string{KeyLabelFor("999999999999"), base + "x"}, base},
		{"the second", []string{base}, base + " -2"},
		{"after the highest", []string{base + " -2", base + " -10"}, base + " -11"},
		{"never again a lower one", []string{base + " -4"}, base + " -5"},
	} {
		store := memory.New("test", "0123").Store()
		var last sks.KeyID
		for _, label := range c.have {
			last = sks.NewKeyID()
			if _, err := store.Create(ctx, sks.NewKey{ID: last, Label: label}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := nextLabel(ctx, store, testInstance); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
		if c.name == "the second" {
			if got, err := nextLabel(ctx, store, testInstance, last); err != nil || got != base {
				t.Errorf("without the one that goes: %q, %v", got, err)
			}
		}
	}
}
