package properties

import "strings"

// ending is how a segment ends: whether another line may simply follow.
type ending uint8

const (
	whole     ending = iota // with a line end
	unended                 // the file ends before one
	continued               // the file ends in a backslash, or just after one and its line end
)

// push appends a property's line as read or written.
func (s *Set) push(raw, key, value string) {
	if s.index == nil {
		s.index = map[string]*property{}
	}
	p := s.index[key]
	if p == nil {
		p = &property{key: key, last: -1}
		s.index[key] = p
	}
	if p.last < 0 {
		s.length++
	} else {
		p.earlier = append(p.earlier, p.last)
	}
	p.value, p.last = value, int32(len(s.segments))
	s.segments = append(s.segments, segment{raw: raw, prop: p})
	s.size += len(raw)
	s.lines++
}

// pushText appends comments and blank lines.
func (s *Set) pushText(raw string) {
	if raw == "" {
		return
	}
	s.segments = append(s.segments, segment{raw: raw})
	s.size += len(raw)
}

// pushMark appends the comment that makes key public. The key may come later.
func (s *Set) pushMark(raw, key string) {
	if s.index == nil {
		s.index = map[string]*property{}
	}
	p := s.index[key]
	if p == nil {
		p = &property{key: key, last: -1}
		s.index[key] = p
	}
	p.marks = append(p.marks, int32(len(s.segments)))
	s.segments = append(s.segments, segment{raw: raw, prop: p, mark: true})
	s.size += len(raw)
}

// rewrite gives the line that counts another text.
func (s *Set) rewrite(p *property, value, line string) {
	seg := &s.segments[p.last]
	s.size += len(line) - len(seg.raw)
	seg.raw, p.value = line, value
	if int(p.last) == len(s.segments)-1 {
		s.end = whole
	}
}

// drop empties segments. Their places stay until compact, so that no index
// moves.
func (s *Set) drop(at []int32) {
	for _, i := range at {
		if seg := s.segments[i]; seg.prop != nil && !seg.mark {
			s.lines--
		}
		if int(i) == len(s.segments)-1 {
			s.end = whole // what stands before it is a whole line
		}
		s.size -= len(s.segments[i].raw)
		s.segments[i] = segment{}
		s.gone++
	}
}

// compact forgets removed segments once they are the greater part, which keeps
// a long series of changes linear.
func (s *Set) compact() {
	if s.gone < 64 || s.gone < len(s.segments)/2 {
		return
	}
	kept := make([]segment, 0, len(s.segments)-s.gone)
	moved := make([]int32, len(s.segments))
	for i, seg := range s.segments {
		moved[i] = int32(len(kept))
		if seg.raw != "" {
			kept = append(kept, seg)
		}
	}
	for _, p := range s.index {
		if p.last >= 0 {
			p.last = moved[p.last]
		}
		for i := range p.earlier {
			p.earlier[i] = moved[p.earlier[i]]
		}
		for i := range p.marks {
			p.marks[i] = moved[p.marks[i]]
		}
	}
	s.segments, s.gone = kept, 0
}

// closing is how the last segment reads once another line can follow it.
type closing struct {
	raw    string
	growth int
}

// closed says what close will do: a line without an end gets one; a line that
// would swallow the next is written anew.
func (s *Set) closed() closing {
	if s.end == whole {
		return closing{}
	}
	last := s.segments[len(s.segments)-1]
	raw := last.raw + s.lineEnd()
	if s.end == continued {
		// It is the last line of the file, so its value is the one that counts.
		raw = encodeLine(last.prop.key, last.prop.value) + s.lineEnd()
	}
	return closing{raw: raw, growth: len(raw) - len(last.raw)}
}

func (s *Set) close(c closing) {
	if s.end == whole {
		return
	}
	s.segments[len(s.segments)-1].raw = c.raw
	s.size += c.growth
	s.end = whole
}

func (s *Set) lineEnd() string {
	if s.eol == "" {
		return "\n"
	}
	return s.eol
}

// Encode gives the file: ASCII, with \uXXXX for all else, which Java reads
// whatever its default encoding; only comments that came otherwise stay as they
// came.
func (s *Set) Encode() []byte {
	var b strings.Builder
	b.Grow(s.size)
	for i, seg := range s.segments {
		if p := seg.prop; p != nil && p.lead && !seg.mark && int(p.last) == i {
			b.WriteString(s.markLine(p.key))
		}
		b.WriteString(seg.raw)
	}
	return []byte(b.String())
}
