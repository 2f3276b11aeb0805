package backup

import (
	"bytes"
	"context"
	"io"
	"path"
	"runtime"
	"strings"
	"testing"

	"ssovault/internal/vault"
)

// FuzzArchive gives the reader a tar stream that an attacker made: whatever it
// accepts is exactly what its manifest says, and no name leads out.
func FuzzArchive(f *testing.F) {
	seed := func(spoil func(*draft)) {
		d := wholesome()
		d.pieces[1].body, d.manifest.Entries[1].Size, d.pieces[1].header.Size = nil, 0, 0
		d.manifest.Entries[1].SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		spoil(d)
		var stream []byte
		keep := d.tar
		d.tar = func(b []byte) []byte {
			if keep != nil {
				b = keep(b)
			}
			stream = b
			return b
		}
		d.bytes(f)
		f.Add(stream)
	}
	seed(func(*draft) {})
	for _, row := range hostileRows {
		switch row.name {
		case "a link out", "dot-dot", "absolute", "twice in both", "one too many", "no end", "a negative size", "set-user-id in the archive":
			seed(row.spoil)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		a, err := openTar(&plain{stream})
		if err != nil {
			return
		}
		got := map[string]*bytes.Buffer{}
		err = a.Walk(context.Background(), func(e Entry) (io.WriteCloser, error) {
			if path.IsAbs(e.Name) || path.Clean("/"+e.Name) != "/"+e.Name || strings.HasPrefix(e.Name, "..") || vault.Passing(e.Name) {
				t.Errorf("the name %q", e.Name)
			}
			if _, twice := got[e.Name]; twice {
				t.Errorf("%q twice", e.Name)
			}
			got[e.Name] = &bytes.Buffer{}
			return closing{got[e.Name]}, nil
		}, nil)
		if err != nil {
			return
		}
		if len(got) != len(a.Manifest.Entries) {
			t.Errorf("%d entries of %d", len(got), len(a.Manifest.Entries))
		}
		for _, e := range a.Manifest.Entries {
			if int64(got[e.Name].Len()) != e.Size {
				t.Errorf("%q has %d bytes, not %d", e.Name, got[e.Name].Len(), e.Size)
			}
		}
		if text, err := a.Manifest.encode(); err != nil || len(text) > maxManifest {
			t.Errorf("an accepted manifest is not one that ssovault writes: %v", err)
		}
	})
}

// plain is a tar stream that is not compressed.
type plain struct{ left []byte }

func (p *plain) chunk(limit int64) ([]byte, error) {
	if len(p.left) == 0 {
		return nil, io.EOF
	}
	b := p.left[:min(limit, int64(len(p.left)))]
	p.left = p.left[len(b):]
	return b, nil
}

type closing struct{ io.Writer }

func (closing) Close() error { return nil }

// FuzzFile gives the reader any bytes at all: what is whole in parts is so from
// its beginning.
func FuzzFile(f *testing.F) {
	whole := wholesome().bytes(f)
	f.Add(whole)
	f.Add(whole[:100])
	f.Add(hugeWindow())
	f.Add([]byte(ageMagic + "-> scrypt x 30\nx\n--- x\n"))
	parted, _ := framed(f, several())
	f.Add(parted)
	f.Add(append(parted, whole...))
	if runtime.GOMAXPROCS(0) < 2 {
		runtime.GOMAXPROCS(2)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Open(bytes.NewReader(b), int64(len(b)), Keys{})
		if err != nil {
			return
		}
		defer a.Close()
		inParts := a.wholeInParts(nil, &meter{ctx: context.Background()}, 1)
		if err := a.Walk(context.Background(), func(Entry) (io.WriteCloser, error) { return nil, nil }, nil); inParts && err != nil {
			t.Errorf("whole in parts, but %v", err)
		}
	})
}
