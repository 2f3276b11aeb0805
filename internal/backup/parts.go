package backup

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

const (
	// partsEach is how many parts a goroutine reads, one after the other: they take
	// unequally long, and so none has to wait long for another.
	partsEach = 4
	// leastPart is what a part has at least, compressed: less is not worth the search.
	leastPart = 4 << 20
	// maxTries bounds the search for where a part begins.
	maxTries = 4
)

// A cut is where a part begins: at a byte of the compressed stream, and an entry
// of the manifest. It is a guess until both parts have been read: the one before
// it must end there, in every respect, and the other begin.
type cut struct {
	at    int64
	entry int
}

// wholeInParts reads all of the archive, several parts at a time, and tells
// whether it is what its manifest says. The parts cover the file without a gap;
// each begins with a frame and an entry, and ends with them. So they are accepted
// only when the whole would be. If not, that says nothing: the archive is damaged,
// or it has no such parts.
func (a *Archive) wholeInParts(m *meter) bool {
	readers := min(runtime.GOMAXPROCS(0), maxWorkers)
	in, size, err := a.from.parts()
	if err != nil || readers < 2 || size < 2*leastPart {
		return false
	}
	cuts := a.cuts(in, size, int(min(int64(readers)*partsEach, size/leastPart)))
	if len(cuts) < 3 { // begin, end, and nothing in between
		return false
	}
	group, ctx := errgroup.WithContext(m.ctx)
	group.SetLimit(readers)
	m = &meter{ctx: ctx, report: m.report, total: m.total}
	for i := range len(cuts) - 1 {
		group.Go(func() error { return a.part(cuts[i], cuts[i+1], m) })
	}
	return group.Wait() == nil
}

// part reads from one cut to the next.
func (a *Archive) part(from, to cut, m *meter) error {
	in, _, err := a.from.parts()
	if err != nil {
		return err
	}
	z, err := newUnframes(io.NewSectionReader(in, from.at, to.at-from.at), 1)
	if err != nil {
		return err
	}
	defer z.Close()
	z.ours = true
	r := &entries{manifest: &a.Manifest, in: z}
	if from.at == 0 {
		text, err := r.first()
		if err != nil {
			return err
		}
		if sha256.Sum256(text) != a.text {
			return errors.New("another manifest")
		}
	}
	bad, err := r.walk(from.entry, to.entry, nil, m)
	switch {
	case err != nil:
		return err
	case len(bad) > 0:
		return errors.New("another content")
	case to.entry == len(a.Manifest.Entries):
		return r.end()
	}
	return r.stop()
}

// stop makes sure that a part which is not the last ends with an entry.
func (r *entries) stop() error {
	if err := r.pad(); err != nil {
		return err
	}
	switch b, err := r.chunk(1); {
	case len(b) > 0:
		return errors.New("more than its entries")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// cuts finds up to so many parts of about the same size: it gives where each
// begins, and the end.
func (a *Archive) cuts(in io.ReaderAt, size int64, parts int) []cut {
	found := []cut{{}}
	step := size / int64(parts)
	for i := range int64(parts - 1) {
		c, ok := a.cut(in, (i+1)*step, (i+2)*step)
		if last := found[len(found)-1]; ok && c.at > last.at && c.entry > last.entry {
			found = append(found, c)
		}
	}
	return append(found, cut{size, len(a.Manifest.Entries)})
}

// cut finds the first place behind from, and before to, where a file ends and the
// next entry begins: a frame begins there, and the one before it is not full.
func (a *Archive) cut(in io.ReaderAt, from, to int64) (c cut, ok bool) {
	b := make([]byte, min(maxPacked, to-from)) // a frame begins in it
	n, err := in.ReadAt(b, from)
	if err != nil {
		return c, false
	}
	b = b[:n]
	for range maxTries {
		i := bytes.Index(b, []byte(zstdMagic))
		if i < 0 {
			return c, false
		}
		at := from + int64(n-len(b)+i)
		if at, ok = pastFile(in, at, to); ok {
			if entry, ok := a.begins(in, at); ok {
				return cut{at, entry}, true
			}
		}
		b = b[i+1:]
	}
	return c, false
}

// pastFile goes from the beginning of a frame past the first that is not full.
func pastFile(in io.ReaderAt, at, to int64) (int64, bool) {
	for at < to {
		start := make([]byte, zstd.HeaderMaxSize)
		n, err := in.ReadAt(start, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, false
		}
		h, ok := oneOfOurs(start[:n])
		if !ok {
			return 0, false
		}
		err = along(h, func(n int) ([]byte, error) {
			_, err := in.ReadAt(start[:n], at)
			at += int64(n)
			return start[:n], err
		}, func(n int) error {
			at += int64(n)
			return nil
		})
		if err != nil {
			return 0, false
		}
		if h.FrameContentSize < frameSize {
			return at, true
		}
	}
	return 0, false
}

// begins tells which entry begins with the frame at a byte.
func (a *Archive) begins(in io.ReaderAt, at int64) (entry int, ok bool) {
	z, err := newUnframes(io.NewSectionReader(in, at, 2*maxPacked), 1)
	if err != nil {
		return 0, false
	}
	defer z.Close()
	z.ours = true
	h, err := (&entries{in: z}).next("an entry")
	if err != nil {
		return 0, false
	}
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, dataPrefix), "/")
	return slices.BinarySearchFunc(a.Manifest.Entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
}
