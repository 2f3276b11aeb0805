package backup

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
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
	// searched is which part of the archive is searched for one place: where the disk
	// is slow, what is read in vain takes time.
	searched = 4
	// maxTries and maxFrames bound the search for where a part begins, in an archive
	// that was made to be searched for long.
	maxTries  = 4
	maxFrames = 16 << 10
)

// A cut is where a part begins: at a byte of the compressed stream, and an entry
// of the manifest. It is a guess until both parts have been read: the one before
// it must end there, in every respect, and the other begin.
type cut struct {
	at    int64
	entry int
}

// A span is a part, from one cut to the next.
type span struct {
	from, to cut
	plain    int64 // bytes of its files
	whole    bool  // to be read in one
}

// wholeInParts reads all of the archive, several parts at a time, and tells
// whether it is what its manifest says. The parts cover the file without a gap;
// each begins with a frame and an entry, and ends with them. So they are accepted
// only when the whole would be. If not, that says nothing: the archive is damaged,
// or it has no such parts.
//
// The sink is asked by several goroutines, for each entry once.
func (a *Archive) wholeInParts(sink Sink, m *meter, least int64) bool {
	readers := workers()
	if readers < 2 {
		return false
	}
	file, err := a.view()
	if err != nil {
		return false
	}
	p := parts{a, file}
	spans := p.spans(readers*partsEach, least)
	if len(spans) < 2 {
		return false
	}
	group, ctx := errgroup.WithContext(m.ctx)
	group.SetLimit(readers)
	m = &meter{ctx: ctx, report: m.report, total: m.total}
	for _, s := range spans {
		group.Go(func() error { return p.part(s, sink, m) })
	}
	return group.Wait() == nil
}

// parts finds and reads them.
type parts struct {
	*Archive
	file view
}

// frames decompresses what begins with a frame of ours. The caller closes it.
func (p parts) frames(from, to int64) (*unframes, error) {
	in, err := p.file.section(from, to)
	if err != nil {
		return nil, err
	}
	z := newUnframes(in, p.in.mem, 1)
	z.ours = true
	return z, nil
}

// part reads one part.
func (p parts) part(s span, sink Sink, m *meter) error {
	z, err := p.frames(s.from.at, s.to.at)
	if err != nil {
		return err
	}
	defer z.Close()
	r := &entries{manifest: &p.Manifest, in: z}
	if s.from.at == 0 {
		text, err := r.first()
		if err != nil {
			return err
		}
		if sha256.Sum256(text) != p.text {
			return errors.New("another manifest")
		}
	}
	bad, err := r.walk(s.from.entry, s.to.entry, sink, m)
	switch {
	case err != nil:
		return err
	case len(bad) > 0:
		return errors.New("another content")
	case s.to.entry == len(p.Manifest.Entries):
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

// spans splits the archive into parts that take about equally long, the longest
// first. It always halves the one with the largest content: where that compresses
// well, a byte of the archive is more work.
func (p parts) spans(most int, least int64) []span {
	window := make([]byte, maxPacked)
	spans := []span{p.span(cut{}, cut{p.file.size, len(p.Manifest.Entries)})}
	for !spans[0].whole && len(spans) < most {
		s := spans[0]
		size := s.to.at - s.from.at
		half := s.from.at + size/2
		middle, ok := p.cut(window, half, min(s.to.at, half+p.file.size/searched))
		if size >= 2*least && ok && s.from.entry < middle.entry && middle.entry < s.to.entry {
			spans = append(spans, p.span(middle, s.to))
			spans[0] = p.span(s.from, middle)
		} else {
			spans[0].whole = true
		}
		slices.SortFunc(spans, func(x, y span) int { return cmp.Compare(y.plain, x.plain) })
	}
	return spans
}

func (p parts) span(from, to cut) span {
	s := span{from: from, to: to}
	var largest int64
	for _, e := range p.Manifest.Entries[from.entry:to.entry] {
		s.plain += e.Size
		largest = max(largest, e.Size)
	}
	s.whole = largest > s.plain/4*3 // one file is most of it
	return s
}

// cut finds the first place behind from, and before to, where a file ends and the
// next entry begins: a frame begins there, and the one before it is not full. It
// reads the frames' headers alone, once it has found one.
func (p parts) cut(b []byte, from, to int64) (c cut, ok bool) {
	n, err := p.file.ReadAt(b[:min(int64(len(b)), to-from)], from)
	if err != nil && !errors.Is(err, io.EOF) {
		return c, false
	}
	b = b[:n]
	for range maxTries {
		i := bytes.Index(b, []byte(zstdMagic))
		if i < 0 {
			return c, false
		}
		at := from + int64(n-len(b)+i)
		if at, ok = p.pastFile(at, to); ok {
			if entry, ok := p.begins(at); ok {
				return cut{at, entry}, true
			}
		}
		b = b[i+1:]
	}
	return c, false
}

// pastFile goes from the beginning of a frame past the first that is not full.
func (p parts) pastFile(at, to int64) (int64, bool) {
	b := make([]byte, zstd.HeaderMaxSize)
	for range maxFrames {
		n, err := p.file.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) || at >= to {
			return 0, false
		}
		h, ok := oneOfOurs(b[:n])
		if !ok {
			return 0, false
		}
		pass := func(n int) error {
			at += int64(n)
			return nil
		}
		take := func(n int) ([]byte, error) {
			_, err := p.file.ReadAt(b[:n], at)
			return b[:n], errors.Join(err, pass(n))
		}
		if along(h, take, pass) != nil {
			return 0, false
		}
		if h.FrameContentSize < frameSize {
			return at, true
		}
	}
	return 0, false
}

// begins tells which entry begins with the frame at a byte.
func (p parts) begins(at int64) (entry int, ok bool) {
	z, err := p.frames(at, min(p.file.size, at+2*maxPacked))
	if err != nil {
		return 0, false
	}
	defer z.Close()
	h, err := (&entries{in: z}).next("an entry")
	if err != nil {
		return 0, false
	}
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, dataPrefix), "/")
	return slices.BinarySearchFunc(p.Manifest.Entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
}
