package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// unframes decompresses what frames has written: several frames at a time,
// given on in their order. From the first frame on that is larger than those,
// or is none, it reads as a stream: an archive that somebody compressed anew is
// as good, and a damaged one is refused in the decompressor's own words.
type unframes struct {
	zstd   *zstd.Decoder
	in     *bufio.Reader
	free   chan *packed
	queue  chan *packed
	ended  chan struct{} // closed by Close
	now    *packed       // being given on; nil before the first and after the last
	left   []byte        // of now
	stream *zstd.Decoder // from here on
	err    error         // for every further Read
	// late is that of a frame whose checksum does not fit. Its content is given
	// on, so that the manifest's digests name every file that is damaged, and the
	// error comes at the end.
	late error
}

// packed is one frame on its way.
type packed struct {
	frame, plain []byte
	err          error
	ready        chan struct{} // plain or err is there
	stream       bool          // no frame of ours: the rest of the input is to be streamed
}

// maxPacked bounds a compressed frame: what does not compress is stored, with
// three bytes for each block of 128 KiB.
const maxPacked = frameSize + frameSize/8

// newUnframes begins. The caller closes it.
func newUnframes(r io.Reader) (*unframes, error) {
	workers := min(runtime.GOMAXPROCS(0), maxWorkers)
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(frameSize), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(workers))
	if err != nil {
		return nil, err
	}
	u := &unframes{
		zstd: z, in: bufio.NewReaderSize(r, 256<<10), free: make(chan *packed, workers+1),
		queue: make(chan *packed, workers+1), ended: make(chan struct{}),
	}
	for range workers + 1 { // one is being given on
		u.free <- &packed{ready: make(chan struct{}, 1)}
	}
	go u.split()
	return u, nil
}

// split cuts the input into frames until its end, an error, or a frame that is
// not ours.
func (u *unframes) split() {
	defer close(u.queue)
	for {
		var p *packed
		select {
		case p = <-u.free:
		case <-u.ended:
			return
		}
		more := u.cut(p)
		u.queue <- p
		if !more {
			p.ready <- struct{}{}
			return
		}
		go func() {
			p.plain, p.err = u.zstd.DecodeAll(p.frame, p.plain[:0])
			p.ready <- struct{}{}
		}()
	}
}

// cut reads one frame (RFC 8878, 3.1.1), and tells whether there is one.
func (u *unframes) cut(p *packed) bool {
	start, err := u.in.Peek(zstd.HeaderMaxSize)
	if len(start) == 0 {
		p.err = err // io.EOF, or that of the disk
		return false
	}
	var h zstd.Header
	if h.Decode(start) != nil || h.Skippable || !h.HasFCS || h.FrameContentSize > frameSize {
		p.stream = true
		return false
	}
	p.frame = p.frame[:0]
	if p.err = u.take(p, h.HeaderSize); p.err != nil {
		return false
	}
	for last := false; !last; {
		if p.err = u.take(p, 3); p.err != nil {
			return false
		}
		b := p.frame[len(p.frame)-3:]
		head := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		size := head >> 3
		last = head&1 != 0
		switch head >> 1 & 3 {
		case 1: // one byte, repeated
			size = 1
		case 3:
			p.err = zstd.ErrReservedBlockType
			return false
		}
		if p.err = u.take(p, size); p.err != nil {
			return false
		}
	}
	if h.HasCheckSum {
		p.err = u.take(p, 4)
	}
	return p.err == nil
}

// take adds n bytes of the input to a frame.
func (u *unframes) take(p *packed, n int) error {
	had := len(p.frame)
	if had+n > maxPacked {
		return fmt.Errorf("a frame of more than %d bytes", maxPacked)
	}
	p.frame = slices.Grow(p.frame, n)[:had+n]
	_, err := io.ReadFull(u.in, p.frame[had:])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Read implements io.Reader.
func (u *unframes) Read(b []byte) (int, error) {
	for len(u.left) == 0 && u.err == nil && u.stream == nil {
		u.next()
	}
	switch {
	case u.err != nil:
		return 0, u.err
	case u.stream != nil:
		return u.stream.Read(b)
	}
	n := copy(b, u.left)
	u.left = u.left[n:]
	return n, nil
}

// next waits for the next frame.
func (u *unframes) next() {
	if u.now != nil {
		u.free <- u.now
	}
	u.now = <-u.queue // closed only behind one that is the last
	<-u.now.ready
	first := u.left == nil
	switch {
	case !first && errors.Is(u.now.err, zstd.ErrCRCMismatch) && len(u.now.plain) > 0:
		u.left, u.late = u.now.plain, u.now.err
	case u.now.err == io.EOF && u.late != nil:
		u.err = u.late
	case u.now.stream:
		// A new one: what is in DecodeAll's memory now is bound to this size.
		u.stream, u.err = zstd.NewReader(u.in, zstd.WithDecoderMaxMemory(decoderMemory), zstd.WithDecoderMaxWindow(decoderMemory),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(2))
	case u.now.err != nil:
		u.err = u.now.err
	default:
		u.left = u.now.plain
	}
}

// Close lets go of the decompressors.
func (u *unframes) Close() {
	close(u.ended)
	for p := range u.queue { // until split has ended
		<-p.ready
	}
	u.zstd.Close()
	if u.stream != nil {
		u.stream.Close()
	}
}
