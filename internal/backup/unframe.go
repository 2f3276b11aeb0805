package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// unframes decompresses what frames has written: several frames at a time,
// given on in their order. From the first frame on that is larger than those,
// or is none, it reads as a stream: an archive that somebody compressed anew is
// as good, and a damaged one is refused in the decompressor's own words.
type unframes struct {
	mem    *unpacker
	in     *bufio.Reader
	free   chan *packed
	queue  chan *packed
	ended  chan struct{} // closed by Close
	now    *packed       // being given on; nil before the first and after the last
	left   []byte        // of now
	stream *zstd.Decoder // from here on
	buffer []byte        // for stream
	ours   bool          // nothing else is to be read
	log    frameLog      // of ours
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

// streamBuffer is how much of a stream is given on at a time.
const streamBuffer = 256 << 10

// unpacker is the memory that frames are decompressed in. It may be used by
// several readers of one archive, at a time or one after the other.
type unpacker struct {
	zstd *zstd.Decoder
	free sync.Pool // of *packed
}

func newUnpacker() (*unpacker, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(frameSize), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(workers()))
	if err != nil {
		return nil, err
	}
	return &unpacker{zstd: z, free: sync.Pool{New: func() any {
		return &packed{ready: make(chan struct{}, 1)}
	}}}, nil
}

// workers is how many frames are compressed or decompressed at a time.
func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// newUnframes begins, with so many frames at a time. The caller closes it.
func newUnframes(r io.Reader, mem *unpacker, workers int) *unframes {
	u := &unframes{
		mem: mem, in: bufio.NewReaderSize(r, peekBuffer), free: make(chan *packed, workers+1),
		queue: make(chan *packed, workers+1), ended: make(chan struct{}), log: newFrameLog(),
	}
	for range workers + 1 { // one is being given on
		u.free <- mem.free.Get().(*packed)
	}
	go u.split()
	return u
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
			p.plain, p.err = u.mem.zstd.DecodeAll(p.frame, p.plain[:0])
			p.ready <- struct{}{}
		}()
	}
}

// cut reads one frame, and tells whether there is one.
func (u *unframes) cut(p *packed) bool {
	p.stream = false
	start, err := u.in.Peek(zstd.HeaderMaxSize)
	if len(start) == 0 {
		p.err = err // io.EOF, or that of the disk
		return false
	}
	var h zstd.Header
	switch err := h.Decode(start); {
	case err == nil && h.Skippable && u.log.n > 0:
		p.err = u.log.end(u.in)
		return false
	case err != nil || !ours(h):
		p.stream = true
		return false
	}
	if p.err = u.frame(p, h); p.err != nil {
		return false
	}
	u.log.add(len(p.frame), int(h.FrameContentSize))
	return true
}

// ours tells of a header whether frames could have written it.
func ours(h zstd.Header) bool {
	return !h.Skippable && h.HasFCS && h.FrameContentSize <= frameSize
}

// frame reads one from its header to its end (RFC 8878, 3.1.1).
func (u *unframes) frame(p *packed, h zstd.Header) error {
	p.frame = p.frame[:0]
	take := func(n int) ([]byte, error) {
		if len(p.frame)+n > maxPacked {
			return nil, fmt.Errorf("a frame of more than %d bytes", maxPacked)
		}
		return u.take(p, n)
	}
	if _, err := take(h.HeaderSize); err != nil {
		return err
	}
	for last := false; !last; {
		b, err := take(3)
		if err != nil {
			return err
		}
		head := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		size := head >> 3
		last = head&1 != 0
		switch head >> 1 & 3 {
		case 1: // one byte, repeated
			size = 1
		case 3:
			return zstd.ErrReservedBlockType
		}
		if _, err := take(size); err != nil {
			return err
		}
	}
	if h.HasCheckSum {
		_, err := take(4)
		return err
	}
	return nil
}

// take adds n bytes of the input to a frame, and gives them.
func (u *unframes) take(p *packed, n int) ([]byte, error) {
	had := len(p.frame)
	p.frame = slices.Grow(p.frame, n)[:had+n]
	_, err := io.ReadFull(u.in, p.frame[had:])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return p.frame[had:], err
}

// chunk implements chunks.
func (u *unframes) chunk(limit int64) ([]byte, error) {
	for len(u.left) == 0 && u.err == nil {
		u.next()
	}
	if u.err != nil {
		return nil, u.err
	}
	n := min(int64(len(u.left)), limit)
	b := u.left[:n]
	u.left = u.left[n:]
	return b, nil
}

// next waits for the next frame, or reads on in the stream.
func (u *unframes) next() {
	if u.stream != nil {
		n, err := u.stream.Read(u.buffer)
		u.left = u.buffer[:n]
		if n == 0 {
			u.err = err
		}
		return
	}
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
	case u.now.stream && u.ours:
		u.err = errors.New("a frame of another kind")
	case u.now.stream:
		// A new one: what is in DecodeAll's memory now is bound to this size.
		u.stream, u.err = zstd.NewReader(u.in, zstd.WithDecoderMaxMemory(decoderMemory), zstd.WithDecoderMaxWindow(decoderMemory),
			zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(2))
		u.buffer = make([]byte, streamBuffer)
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
		u.mem.free.Put(p)
	}
	if u.now != nil {
		u.mem.free.Put(u.now)
	}
	for len(u.free) > 0 {
		u.mem.free.Put(<-u.free)
	}
	if u.stream != nil {
		u.stream.Close()
	}
}
