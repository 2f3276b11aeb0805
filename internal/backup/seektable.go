package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// The last frame of an archive is one that decompressors skip: the table of all
// others, in the Zstandard Seekable Format 0.1.0, without checksums. An entry is
// the size of a frame, compressed and not. Whoever wants a part of the archive
// finds it by that; it is believed only as far as the frames bear it out.
const (
	skippableMagic = 0x184D2A5E
	seekableMagic  = 0x8F92EAB1
	seekHead       = 8 // the first magic number, and how much follows
	seekEntry      = 8
	seekFoot       = 9 // how many entries, what they have, and the second magic number
	// maxSeekable bounds the memory for a table, to that of 256 GiB: more is read from
	// the beginning.
	maxSeekable = 1 << 18
)

func appendSeekEntry(b []byte, packed, plain int) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(packed))
	return binary.LittleEndian.AppendUint32(b, uint32(plain))
}

// seekFrame is what stands before n entries, and after them.
func seekFrame(n int) (head, foot []byte) {
	head = binary.LittleEndian.AppendUint32(nil, skippableMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(n*seekEntry+seekFoot))
	foot = binary.LittleEndian.AppendUint32(nil, uint32(n))
	foot = append(foot, 0)
	return head, binary.LittleEndian.AppendUint32(foot, seekableMagic)
}

// A frameLog remembers which frames were read, and does not grow.
type frameLog struct {
	n   int
	sum hash.Hash // of their entries
}

func newFrameLog() frameLog { return frameLog{sum: sha256.New()} }

func (l *frameLog) add(packed, plain int) {
	l.n++
	l.sum.Write(appendSeekEntry(nil, packed, plain))
}

// is tells whether it has these entries.
func (l *frameLog) is(entries []byte) bool {
	want := sha256.Sum256(entries)
	return bytes.Equal(l.sum.Sum(nil), want[:])
}

// end reads the table that is to follow those frames, and nothing behind it. It
// gives io.EOF.
func (l *frameLog) end(r io.Reader) error {
	head, foot := seekFrame(l.n)
	if err := exactly(r, head); err != nil {
		return err
	}
	entries := sha256.New()
	if _, err := io.CopyN(entries, r, int64(l.n)*seekEntry); err != nil {
		return within(err)
	}
	if !bytes.Equal(entries.Sum(nil), l.sum.Sum(nil)) {
		return errOtherFrames
	}
	if err := exactly(r, foot); err != nil {
		return err
	}
	switch n, err := io.ReadFull(r, head[:1]); {
	case n > 0:
		return errors.New("something follows its seek table")
	default:
		return err
	}
}

var errOtherFrames = errors.New("its seek table is of other frames")

func exactly(r io.Reader, want []byte) error {
	b := make([]byte, len(want))
	if _, err := io.ReadFull(r, b); err != nil {
		return within(err)
	}
	if !bytes.Equal(b, want) {
		return errOtherFrames
	}
	return nil
}

// within is the error of an end where none should be.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// A seekTable says where frames begin.
type seekTable struct {
	entries []byte
	// at and plain are where each frame begins, compressed and not, and where the
	// last ends.
	at, plain []int64
}

// readSeekTable reads the one at the end of size bytes.
func readSeekTable(r io.ReaderAt, size int64) (*seekTable, error) {
	b := make([]byte, seekFoot)
	if _, err := r.ReadAt(b, max(0, size-seekFoot)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	n := int64(binary.LittleEndian.Uint32(b))
	begins := size - seekHead - n*seekEntry - seekFoot
	if n > maxSeekable || begins < 0 {
		return nil, fmt.Errorf("a seek table of %d frames", n)
	}
	b = make([]byte, size-begins)
	if _, err := r.ReadAt(b, begins); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head, foot := seekFrame(int(n))
	t := &seekTable{entries: b[seekHead : len(b)-seekFoot], at: make([]int64, n+1), plain: make([]int64, n+1)}
	if !bytes.HasPrefix(b, head) || !bytes.HasSuffix(b, foot) {
		return nil, errors.New("no seek table")
	}
	for i := range n {
		e := t.entries[i*seekEntry:]
		t.at[i+1] = t.at[i] + int64(binary.LittleEndian.Uint32(e))
		t.plain[i+1] = t.plain[i] + int64(binary.LittleEndian.Uint32(e[4:]))
	}
	if t.at[n] != begins {
		return nil, errOtherFrames
	}
	return t, nil
}

// frames is how many there are.
func (t *seekTable) frames() int { return len(t.at) - 1 }

// of gives the entries of the frames from one to before another.
func (t *seekTable) of(from, to int) []byte { return t.entries[from*seekEntry : to*seekEntry] }

// beginsFile tells whether a file, or what follows the last one, begins with a
// frame: the one before is not full.
func (t *seekTable) beginsFile(frame int) bool { return t.plain[frame]-t.plain[frame-1] < frameSize }

// middle finds the frame nearest to half of the content between two others, with
// which a file begins.
func (t *seekTable) middle(from, to int) (frame int, ok bool) {
	half, _ := slices.BinarySearch(t.plain, t.plain[from]+(t.plain[to]-t.plain[from])/2)
	for d := range to - from {
		for _, i := range [2]int{half - d, half + d} {
			if from < i && i < to && t.beginsFile(i) {
				return i, true
			}
		}
	}
	return 0, false
}
