package backup

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"filippo.io/age"

	"ssovault/internal/fault"
)

// inAge encrypts an archive.
func inAge(t testing.TB, archive []byte) ([]byte, Keys) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return encrypted(archive, id.Recipient()), Keys{identities: []age.Identity{id}}
}

// whole tells whether an archive is whole in parts of any size.
func whole(archive []byte, keys Keys) bool {
	a, err := Open(bytes.NewReader(archive), int64(len(archive)), keys)
	if err != nil {
		return false
	}
	defer a.Close()
	return a.wholeInParts(nil, &meter{ctx: context.Background()}, 1)
}

// An encrypted archive of several of age's chunks is whole in parts; with a byte
// of any chunk altered, or cut off anywhere, it is not.
func TestEncryptedInParts(t *testing.T) {
	if runtime.GOMAXPROCS(0) < 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	d := several()
	random := rand.NewChaCha8([32]byte{8})
	for i := range 20 {
		b := make([]byte, ageChunk+i*1000)
		_, _ = random.Read(b)
		d.add(fmt.Sprintf("u-%02d.bin", i), b, false)
	}
	archive, _ := framed(t, d)
	sealed, keys := inAge(t, archive)
	if !whole(sealed, keys) {
		t.Fatal("not whole")
	}
	for at := 1; at < len(sealed); at += ageChunk / 3 {
		b := bytes.Clone(sealed)
		b[at] ^= 1
		if whole(b, keys) {
			t.Errorf("byte %d altered, and whole", at)
		}
		if whole(sealed[:at], keys) {
			t.Errorf("cut to %d of %d bytes, and whole", at, len(sealed))
		}
	}
	// What is read at one place is what is read from the beginning, wherever the
	// section begins and ends.
	a, err := Open(bytes.NewReader(sealed), int64(len(sealed)), keys)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	v, err := a.view()
	if err != nil || v.size != int64(len(archive)) {
		t.Fatal(v.size, err)
	}
	for range 200 {
		from := rand.Int64N(v.size)
		to := from + rand.Int64N(v.size-from+1)
		r, err := v.section(from, to)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if _, err := got.ReadFrom(r); err != nil || !bytes.Equal(got.Bytes(), archive[from:to]) {
			t.Fatalf("from %d to %d: %d bytes, %v", from, to, got.Len(), err)
		}
	}
}

// What is cut off so that it shows is damaged for those who have no key as well.
func TestLockedAndCutOff(t *testing.T) {
	archive, _ := framed(t, several())
	sealed, _ := inAge(t, archive)
	for n := range len(sealed) {
		a, err := Open(bytes.NewReader(sealed[:n]), int64(n), Keys{})
		if err == nil {
			a.Close()
			t.Fatalf("opened %d bytes without a key", n)
		}
		header := bytes.Index(sealed, []byte("\n---")) + len("\n--- ") + 43 + 1
		if shows, payload := fault.Of(err) != fault.Usage, n-header; shows != (payload <= 32 || (payload-16)%(ageChunk+16) > 0 && (payload-16)%(ageChunk+16) <= 16) {
			t.Errorf("%d of %d bytes: %v", n, len(sealed), err)
		}
	}
}
