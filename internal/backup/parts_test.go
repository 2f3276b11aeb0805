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
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"ssovault/internal/fault"
)

// framed makes an archive of a draft as write does: each file begins a frame.
// It also gives the frames.
func framed(t testing.TB, d *draft) (archive []byte, all [][]byte) {
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
	table, err := readSeekTable(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range table.frames() {
		all = append(all, archive[table.at[i]:table.at[i+1]])
	}
	if !bytes.Equal(seekable(t, all...), archive) {
		t.Fatal("another table")
	}
	return archive, all
}

// seekable joins frames, and puts the table behind them that fits.
func seekable(t testing.TB, all ...[]byte) []byte {
	t.Helper()
	var table []byte
	for _, b := range all {
		var h zstd.Header
		if err := h.Decode(b); err != nil && len(b) > zstd.HeaderMaxSize {
			t.Fatal(err)
		}
		table = appendSeekEntry(table, len(b), int(h.FrameContentSize))
	}
	head, foot := seekFrame(len(all))
	return slices.Concat(slices.Concat(all...), head, table, foot)
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
	table, err := readSeekTable(file, file.size)
	if err != nil {
		t.Fatal(err)
	}
	spans := parts{a, file, table}.spans(8, 1)
	if len(spans) < 5 {
		t.Errorf("%d parts", len(spans))
	}
	var all, before int64
	for i, s := range spans {
		plain := table.plain[s.to.frame] - table.plain[s.from.frame]
		if i > 0 && plain > before {
			t.Errorf("a longer part comes later: %v", spans)
		}
		before, all = plain, all+plain
	}
	if want := table.plain[table.frames()]; all != want {
		t.Errorf("the parts have %d bytes, of %d", all, want)
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

// Frames that are left out, doubled, exchanged, put between, or too short: under
// a table of their own, and under that of before.
func TestFramesOutOfPlace(t *testing.T) {
	archive, all := framed(t, several())
	table := archive[len(bytes.Join(all, nil)):]
	between := [][]byte{compress(t, nil), []byte("\x50\x2a\x4d\x18\x04\x00\x00\x00evil"), compress(t, []byte("evil")), []byte("evil")}
	nothing := between[:2] // what is skipped, where the table does not say otherwise
	for _, size := range []int{1, tarBlock, tarEnd} {
		between = append(between, compress(t, make([]byte, size)))
	}
	unzstd, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unzstd.Close()
	refused := func(what string, frames ...[]byte) {
		t.Helper()
		for how, b := range map[string][]byte{"its own": seekable(t, frames...), "the old": append(bytes.Join(frames, nil), table...), "no": bytes.Join(frames, nil)} {
			if err, inParts := bothWays(t, b); err == nil || inParts {
				t.Errorf("%s, %s table: %v, in parts: %v", what, how, err, inParts)
			}
		}
	}
	if err, inParts := bothWays(t, bytes.Join(all, nil)); err != nil || inParts {
		t.Errorf("without a table: %v, in parts: %v", err, inParts)
	}
	if err, inParts := bothWays(t, append(bytes.Clone(archive), table...)); err == nil || inParts {
		t.Errorf("with two tables: %v, in parts: %v", err, inParts)
	}
	for i := range all {
		before, after := all[:i:i], all[i+1:]
		refused(fmt.Sprint("without ", i), slices.Concat(before, after)...)
		refused(fmt.Sprint("twice ", i), slices.Concat(before, [][]byte{all[i], all[i]}, after)...)
		if i+1 < len(all) {
			refused(fmt.Sprint("exchanged ", i), slices.Concat(before, [][]byte{all[i+1], all[i]}, after[1:])...)
		}
		for j, b := range between {
			frames := slices.Concat(before, [][]byte{b}, all[i:])
			if j >= len(nothing) {
				refused(fmt.Sprint(j, " before ", i), frames...)
			} else if err, inParts := bothWays(t, append(bytes.Join(frames, nil), table...)); inParts || err == nil && i > 0 {
				t.Errorf("%d before %d, the old table: %v, in parts: %v", j, i, err, inParts)
			}
		}
		plain, err := unzstd.DecodeAll(all[i], nil)
		if err != nil {
			t.Fatal(err)
		}
		for what, plain := range map[string][]byte{
			"a byte less": plain[:len(plain)-1], "a byte more": append(plain, 0), "a block more": append(plain, make([]byte, tarBlock)...),
		} {
			refused(fmt.Sprint(what, " in ", i), slices.Concat(before, [][]byte{compress(t, plain)}, after)...)
		}
	}
}

// Small files share a frame; any other begins one, so that an archive of large files
// has places where parts can begin, whatever their sizes are.
func TestFilesInFrames(t *testing.T) {
	var out bytes.Buffer
	z, err := newFrames(&out)
	if err != nil {
		t.Fatal(err)
	}
	var begins []int64 // of files that are not small
	var at int64
	for _, size := range []int64{10, frameSize, 20, 30, 3 * frameSize, 2*frameSize - tarBlock, leastFrame, leastFrame - 1, leastFrame - 1, leastFrame - 1, 40} {
		if size >= leastFrame {
			begins = append(begins, at)
		}
		z.BeginFile(size)
		if _, err := z.Write(make([]byte, tarBlock+size)); err != nil {
			t.Fatal(err)
		}
		z.EndFile(size)
		at += tarBlock + size
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	table, err := readSeekTable(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range begins {
		frame, ok := slices.BinarySearch(table.plain, want)
		if !ok || frame > 0 && !table.beginsFile(frame) && table.plain[frame]-table.plain[frame-1] != frameSize {
			t.Errorf("no frame begins at %d: %v", want, table.plain)
		}
	}
	if n := table.frames(); n != 1+2+1+4+2+1+3+1 {
		t.Errorf("%d frames: %v", n, table.plain)
	}
}

// A table that is not that of the frames is refused, whatever is wrong with it.
func TestSeekTable(t *testing.T) {
	archive, all := framed(t, several())
	at := len(bytes.Join(all, nil))
	for i := at; i < len(archive); i++ {
		for bit := range 8 {
			b := bytes.Clone(archive)
			b[i] ^= 1 << bit
			if err, inParts := bothWays(t, b); err == nil || inParts || fault.Of(err) != fault.Tampered {
				t.Errorf("bit %d of byte %d: %v, in parts: %v", bit, i-at, err, inParts)
			}
		}
		if i == at {
			continue // no table
		}
		if err, inParts := bothWays(t, archive[:i]); err == nil || inParts {
			t.Errorf("cut to %d bytes: %v, in parts: %v", i-at, err, inParts)
		}
	}
	// Two sizes that add up to what they were.
	for n := seekHead; n < 2*seekEntry; n += 4 {
		b := bytes.Clone(archive)
		b[at+n], b[at+n+seekEntry] = b[at+n]+1, b[at+n+seekEntry]-1
		if err, inParts := bothWays(t, b); err == nil || inParts {
			t.Errorf("shifted at %d: %v, in parts: %v", n, err, inParts)
		}
	}
	// What other programs make of the same tar stream needs none.
	var stream []byte
	d := several()
	d.tar = func(b []byte) []byte {
		stream = b
		return b
	}
	d.bytes(t)
	if err, inParts := bothWays(t, compress(t, stream)); err != nil || inParts {
		t.Errorf("compressed anew: %v, in parts: %v", err, inParts)
	}
}

// One bit of every third byte flipped: in parts it is accepted only where it is from
// the beginning.
func TestFlippedBitsInParts(t *testing.T) {
	archive, all := framed(t, several())
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
	if harmless > 2*len(all) { // in the header of each frame: the window's size
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
	// A checksum is no file.
	_, all := framed(t, several())
	all[3] = bytes.Clone(all[3])
	all[3][len(all[3])-1] ^= 1
	if err, inParts := bothWays(t, seekable(t, all...)); inParts || fault.Of(err) != fault.Tampered || !strings.Contains(err.Error(), "a checksum of zstd in it is another") {
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
