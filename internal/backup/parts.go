package backup

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

const (
	// partsEach is how many parts a goroutine reads, one after the other: they take
	// unequally long, and so none has to wait long for another.
	partsEach = 4
	// leastPart is what a part has at least, compressed: less is not worth it.
	leastPart = 4 << 20
)

// A cut is where a part begins: with a frame, and an entry of the manifest. It is a
// guess until both parts have been read: the one before it must end there, in
// every respect, and the other begin.
type cut struct{ frame, entry int }

// A span is a part, from one cut to the next.
type span struct {
	from, to cut
	whole    bool // to be read in one
}

// wholeInParts reads all of the archive, several parts at a time, and tells
// whether it is what its manifest says. The parts cover the file without a gap, up to
// the seek table; each begins with a frame and an entry, ends with them, and has the
// frames of the table. So they are accepted only when the whole would be. If not,
// that says nothing: the archive is damaged, or it has no such parts.
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
	table, err := readSeekTable(file, file.size)
	if err != nil {
		return false
	}
	p := parts{a, file, table}
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
	file  view
	table *seekTable
}

// frames decompresses those from one to before another, all of them ours. The
// caller closes it.
func (p parts) frames(from, to int) (*unframes, error) {
	in, err := p.file.section(p.table.at[from], p.table.at[to])
	if err != nil {
		return nil, err
	}
	z := newUnframes(in, p.in.mem, 1)
	z.ours = true
	return z, nil
}

// part reads one part.
func (p parts) part(s span, sink Sink, m *meter) error {
	z, err := p.frames(s.from.frame, s.to.frame)
	if err != nil {
		return err
	}
	defer z.Close()
	r := &entries{manifest: &p.Manifest, in: z}
	if s.from.frame == 0 {
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
		err = r.end()
	default:
		err = r.stop()
	}
	if err == nil && !z.log.is(p.table.of(s.from.frame, s.to.frame)) {
		err = errOtherFrames
	}
	return err
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
// first. It always halves the one with the most content.
func (p parts) spans(most int, least int64) []span {
	plain := func(s span) int64 { return p.table.plain[s.to.frame] - p.table.plain[s.from.frame] }
	spans := []span{{from: cut{}, to: cut{p.table.frames(), len(p.Manifest.Entries)}}}
	for !spans[0].whole && len(spans) < most {
		s := spans[0]
		middle, ok := p.middle(s)
		if ok && p.table.at[s.to.frame]-p.table.at[s.from.frame] >= 2*least {
			spans[0] = span{from: s.from, to: middle}
			spans = append(spans, span{from: middle, to: s.to})
		} else {
			spans[0].whole = true
		}
		slices.SortFunc(spans, func(x, y span) int { return cmp.Compare(plain(y), plain(x)) })
	}
	return spans
}

// middle finds where to halve a part.
func (p parts) middle(s span) (c cut, ok bool) {
	if c.frame, ok = p.table.middle(s.from.frame, s.to.frame); !ok {
		return c, false
	}
	c.entry, ok = p.begins(c.frame)
	return c, ok && s.from.entry < c.entry && c.entry < s.to.entry
}

// begins tells which entry begins with a frame.
func (p parts) begins(frame int) (entry int, ok bool) {
	z, err := p.frames(frame, frame+1)
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
