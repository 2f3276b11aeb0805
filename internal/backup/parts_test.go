package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"ssovault/internal/fault"
)

// framed makes an archive of a draft as write does: each file begins a frame.
// It also gives where those frames begin.
func framed(t testing.TB, d *draft) (archive []byte, begins []int) {
	t.Helper()
	var stream []byte
	spoil := d.tar
	d.tar = func(b []byte) []byte {
		if spoil != nil {
			b = spoil(b)
		}
		stream = b
		return b
	}
	d.bytes(t)
	d.tar = spoil
	var out bytes.Buffer
	z, err := newFrames(&out)
	if err != nil {
		t.Fatal(err)
	}
	rest := bytes.NewReader(stream)
	r := tar.NewReader(rest)
	done := 0
	for {
		_, err := r.Next()
		if err != nil {
			break
		}
		at := len(stream) - rest.Len() - tarBlock // where this header begins
		if at < done {
			continue
		}
		if _, err := z.Write(stream[done:at]); err != nil {
			t.Fatal(err)
		}
		z.Flush()
		done = at
	}
	if _, err := z.Write(stream[done:]); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	archive = out.Bytes()
	for at := 0; at < len(archive); {
		begins = append(begins, at)
		next := bytes.Index(archive[at+1:], []byte(zstdMagic))
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return archive, begins
}

// several is an archive of many files, none much larger than the others.
func several() *draft {
	d := wholesome()
	first := d.pieces[1].body[:190]
	rest := d.pieces[2:]
	d.pieces, d.manifest.Entries = d.pieces[:1], d.manifest.Entries[:1]
	d.add("cache/users.sql", first, false)
	for _, p := range rest {
		d.add(strings.TrimPrefix(p.header.Name, dataPrefix), p.body, false)
	}
	random := rand.NewChaCha8([32]byte{7})
	for i := range 24 {
		b := make([]byte, 40+i)
		_, _ = random.Read(b)
		d.add(fmt.Sprintf("t-%02d.bin", i), b, false)
	}
	return d
}

// bothWays reads an archive from its beginning, and in parts of any size.
func bothWays(t *testing.T, archive []byte) (whole error, inParts bool) {
	t.Helper()
	if runtime.GOMAXPROCS(0) < 2 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	}
	open := func() (*Archive, error) { return Open(bytes.NewReader(archive), int64(len(archive)), Keys{}) }
	a, err := open()
	if err != nil {
		return err, false
	}
	defer a.Close()
	inParts = a.wholeInParts(nil, &meter{ctx: context.Background()}, 1)
	whole = a.Walk(context.Background(), func(Entry) (io.WriteCloser, error) { return nil, nil }, nil)
	if inParts && whole != nil {
		t.Errorf("whole in parts, but %v", whole)
	}
	if a, err = open(); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.walkAnyhow(context.Background(), nil, func() error { return nil }, nil); fmt.Sprint(err) != fmt.Sprint(whole) || fault.Of(err) != fault.Of(whole) {
		t.Errorf("without a sink %v, with one %v", err, whole)
	}
	return whole, inParts
}

func TestParts(t *testing.T) {
	archive, _ := framed(t, several())
	if err, inParts := bothWays(t, archive); err != nil || !inParts {
		t.Fatalf("%v, in parts: %v", err, inParts)
	}
	a, err := Open(bytes.NewReader(archive), int64(len(archive)), Keys{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	file, err := a.view()
	if err != nil {
		t.Fatal(err)
	}
	spans := parts{a, file}.spans(8, 1)
	if len(spans) < 5 {
		t.Errorf("%d parts", len(spans))
	}
	var plain int64
	for i, s := range spans {
		plain += s.plain
		if i > 0 && s.plain > spans[i-1].plain {
			t.Errorf("a longer part comes later: %v", spans)
		}
	}
	if plain != a.Manifest.Total() {
		t.Errorf("the parts have %d bytes, of %d", plain, a.Manifest.Total())
	}
}

// What is hostile is so in parts too, whatever the parts are.
func TestHostileInParts(t *testing.T) {
	for _, row := range hostileRows {
		t.Run(row.name, func(t *testing.T) {
			d := several()
			switch row.name {
			case "more than the disk has", "another instance than its files", "half a folder":
				return // not for the reader to see
			}
			row.spoil(d)
			if d.zstd != nil {
				archive, _ := framed(t, several())
				if err, inParts := bothWays(t, d.zstd(archive)); err == nil || inParts {
					t.Errorf("%v, in parts: %v", err, inParts)
				}
				return
			}
			archive, _ := framed(t, d)
			if err, inParts := bothWays(t, archive); err == nil || inParts {
				t.Errorf("%v, in parts: %v", err, inParts)
			}
			if sealed, keys := inAge(t, archive); whole(sealed, keys) {
				t.Error("encrypted, and whole in parts")
			}
		})
	}
}

// Frames that are left out, doubled, exchanged, put between, or too short.
func TestFramesOutOfPlace(t *testing.T) {
	archive, begins := framed(t, several())
	frame := func(i int) []byte {
		if i == len(begins)-1 {
			return archive[begins[i]:]
		}
		return archive[begins[i]:begins[i+1]]
	}
	var between [][]byte
	for _, size := range []int{1, tarBlock, tarEnd} {
		between = append(between, compress(t, make([]byte, size)))
	}
	between = append(between, compress(t, nil), compress(t, []byte("evil")), []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00evil"), []byte("evil"))
	unzstd, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unzstd.Close()
	refused := func(what string, b []byte) {
		t.Helper()
		if err, inParts := bothWays(t, b); err == nil || inParts {
			t.Errorf("%s: %v, in parts: %v", what, err, inParts)
		}
	}
	for i := range begins {
		at, next := begins[i], begins[i]+len(frame(i))
		refused(fmt.Sprint("without ", i), append(bytes.Clone(archive[:at]), archive[next:]...))
		refused(fmt.Sprint("twice ", i), append(bytes.Clone(archive[:next]), archive[at:]...))
		if i+1 < len(begins) {
			b := append(bytes.Clone(archive[:at]), frame(i+1)...)
			b = append(append(b, frame(i)...), archive[next+len(frame(i+1)):]...)
			refused(fmt.Sprint("exchanged ", i), b)
		}
		for j, b := range between {
			b = append(append(bytes.Clone(archive[:at]), b...), archive[at:]...)
			err, inParts := bothWays(t, b)
			if empty := j == 3 || j == 5; err == nil && !empty { // those two hold nothing
				t.Errorf("%d before %d: in parts: %v", j, i, inParts)
			}
			if j == 5 && inParts {
				t.Errorf("a frame that is to be skipped, before %d", i)
			}
		}
		plain, err := unzstd.DecodeAll(frame(i), nil)
		if err != nil {
			t.Fatal(err)
		}
		for what, plain := range map[string][]byte{
			"a byte less": plain[:len(plain)-1], "a byte more": append(plain, 0), "a block more": append(plain, make([]byte, tarBlock)...),
		} {
			b := append(bytes.Clone(archive[:at]), compress(t, plain)...)
			refused(fmt.Sprint(what, " in ", i), append(b, archive[next:]...))
		}
	}
}

// One bit of every third byte flipped: in parts it is accepted only where it is from
// the beginning.
func TestFlippedBitsInParts(t *testing.T) {
	archive, begins := framed(t, several())
	harmless := 0
	for i := 0; i < len(archive); i += 3 {
		b := bytes.Clone(archive)
		b[i] ^= 1 << (i % 8)
		if err, _ := bothWays(t, b); err == nil {
			harmless++
		}
	}
	for i := 0; i < len(archive); i += 97 {
		if err, inParts := bothWays(t, archive[:i]); err == nil || inParts {
			t.Errorf("cut to %d of %d bytes, and not refused", i, len(archive))
		}
	}
	if harmless > 2*len(begins) { // in the header of each frame: the window's size
		t.Errorf("%d of %d flipped bits went unnoticed", harmless, len(archive))
	}
}

// What is damaged is named, wherever its part is; an interruption is one.
func TestPartsName(t *testing.T) {
	d := several()
	last := len(d.pieces) - 1
	d.pieces[1].body = bytes.Replace(d.pieces[1].body, []byte("users"), []byte("evils"), 1)
	d.pieces[last].body = bytes.Clone(d.pieces[last].body)
	d.pieces[last].body[17] ^= 1
	archive, _ := framed(t, d)
	if err, _ := bothWays(t, archive); err == nil || !strings.Contains(err.Error(), "data/cache/users.sql, data/t-23.bin is not what was backed up") {
		t.Error(err)
	}
	archive, _ = framed(t, several())
	a, err := Open(bytes.NewReader(archive), int64(len(archive)), Keys{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := a.walkAnyhow(ctx, nil, func() error { return nil }, nil); !errors.Is(err, context.Canceled) || fault.Of(err) != fault.Interrupted {
		t.Error(err)
	}
}

// exchanged is a file that becomes another after its manifest was read.
type exchanged struct{ first, then *bytes.Reader }

func (e *exchanged) ReadAt(b []byte, at int64) (int, error) { return e.first.ReadAt(b, at) }

func TestManifestExchanged(t *testing.T) {
	one, _ := framed(t, several())
	d := several()
	d.manifest.Instance = "210987654321"
	other, _ := framed(t, d)
	for _, then := range [][]byte{one, other} {
		e := &exchanged{bytes.NewReader(one), bytes.NewReader(then)}
		a, err := Open(e, int64(len(then)), Keys{})
		if err != nil {
			t.Fatal(err)
		}
		e.first = e.then
		got := a.wholeInParts(nil, &meter{ctx: context.Background()}, 1)
		if want := bytes.Equal(one, then); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		a.Close()
	}
}
