package sks_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
)

func newKey(t *testing.T, d *memory.Device) sks.Key {
	t.Helper()
	k, err := d.Store().Create(t.Context(), sks.NewKey{ID: sks.NewKeyID(), Label: "key"})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func prove(t *testing.T, k sks.Key) sks.Proof {
	t.Helper()
	p, err := sks.Prove(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProofAsText(t *testing.T) {
	for _, c := range conventions {
		d := memory.New("one", "1")
		d.IV = c
		k := newKey(t, d)
		p := prove(t, k)
		if word, _, _ := strings.Cut(p.String(), ":"); word != c.String() {
			t.Errorf("%s begins with %q", p, word)
		}
		read, err := sks.ParseProof(p.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := read.Check(t.Context(), k); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		if err := read.Check(t.Context(), newKey(t, d)); !errors.Is(err, sks.ErrRefused) {
			t.Errorf("%s: another key's check gives %v", c, err)
		}
	}
	if p, err := sks.ParseProof(""); err != nil || p.Box != nil || p.String() != "" {
		t.Errorf("the missing proof is %v, %v", p, err)
	}
}

func FuzzParseProof(f *testing.F) {
	d := memory.New("one", "1")
	k, err := d.Store().Create(context.Background(), sks.NewKey{ID: sks.NewKeyID(), Label: "key"})
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range conventions {
		d.IV = c
		p, err := sks.Prove(context.Background(), k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.String())
	}
	for _, s := range []string{"", ":", "caller:", "caller:AAAA", "other:AAAA", strings.Repeat("A", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := sks.ParseProof(text)
		if err == nil && p.String() != text {
			t.Errorf("%q was read and is written %q", text, p)
		}
	})
}

// flaky opens as the key does until it has opened so many boxes, then refuses.
type flaky struct {
	sks.Sealer
	opens int
}

func (f *flaky) Open(ctx context.Context, iv sks.IVConvention, box, aad []byte) ([]byte, error) {
	if f.opens--; f.opens < 0 {
		return nil, sks.ErrRefused
	}
	return f.Sealer.Open(ctx, iv, box, aad)
}

func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		now     func(*memory.Device, sks.KeyID)
		noProof bool
		want    fault.Cause
	}{
		"key and device are well": {func(*memory.Device, sks.KeyID) {}, false, fault.Tampered},
		"another key":             {(*memory.Device).Replace, false, fault.WrongKey},
		"another key, no proof":   {(*memory.Device).Replace, true, fault.Tampered},
		"sick":                    {func(d *memory.Device, _ sks.KeyID) { d.Sick = true }, false, fault.Unreachable},
		"sick, no proof":          {func(d *memory.Device, _ sks.KeyID) { d.Sick = true }, true, fault.Unreachable},
		"no AES/GCM any more":     {func(d *memory.Device, _ sks.KeyID) { d.NoGCM = true }, false, fault.NoGCM},
		"away":                    {func(d *memory.Device, _ sks.KeyID) { d.Away = true }, false, fault.Unreachable},
		"key gone meanwhile":      {func(d *memory.Device, _ sks.KeyID) { d.Clear() }, false, fault.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			d := memory.New("one", "1")
			k := newKey(t, d)
			p := prove(t, k)
			if c.noProof {
				p = sks.Proof{}
			}
			c.now(d, k.Info().ID)
			err := sks.Verdict(t.Context(), k, p, "shared.encp", sks.ErrRefused)
			if fault.Of(err) != c.want {
				t.Fatalf("%v, want cause %v", err, c.want)
			}
			if !strings.Contains(err.Error(), "shared.encp") {
				t.Errorf("%v does not name the file", err)
			}
			if hint := fault.HintFor(err); c.noProof && c.want == fault.Tampered && !strings.Contains(hint, "cannot be told apart") {
				t.Errorf("hint %q", hint)
			}
		})
	}
}

func TestVerdictOnADeviceThatChangesItsMind(t *testing.T) {
	k := newKey(t, memory.New("one", "1"))
	p := prove(t, k)
	for opens, want := range map[int]fault.Cause{
		0: fault.Unreachable, // nothing opens
		1: fault.Unreachable, // the proof, and then not what was just sealed
		2: fault.Unreachable, // the proof once, and not again
		3: fault.Tampered,
	} {
		err := sks.Verdict(t.Context(), &flaky{k, opens}, p, "instance.encp", sks.ErrRefused)
		if fault.Of(err) != want {
			t.Errorf("after %d boxes: %v, want cause %v", opens, err, want)
		}
	}
}

func TestVerdictIsOnlyOnARefusal(t *testing.T) {
	k := newKey(t, memory.New("one", "1"))
	for _, other := range []error{fault.New(fault.KeyMissing, "gone"), errors.New("another")} {
		if err := sks.Verdict(t.Context(), k, prove(t, k), "instance.encp", other); !errors.Is(err, other) {
			t.Errorf("%v became %v", other, err)
		}
	}
}
