package backup

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// frameSize is how much goes into one zstd frame. The frames of an archive
	// know nothing of each other, so that several processors can make them.
	frameSize = 1 << 20
	// leastFrame is how much of small files goes into one: a block of zstd.
	leastFrame = 128 << 10
	// maxWorkers bounds the memory, whatever the machine: a worker takes some
	// 4 MiB.
	maxWorkers = 3
)

// frames compresses what is written to it into one zstd frame after the other,
// several at a time (RFC 8878, 3: concatenated frames decompress to the
// concatenation of their contents), and a seek table behind them.
type frames struct {
	zstd *zstd.Encoder
	now  *frame // being filled; nil before the first byte

	free  chan *frame   // of those that are not on their way
	queue chan *frame   // in the order of the archive
	ended chan struct{} // closed when all is written

	closed bool
	mu     sync.Mutex
	failed error // of the writer below
}

type frame struct {
	plain, packed []byte
	ready         chan struct{} // packed is there
}

// newFrames begins. Close must be called, whatever happens.
func newFrames(w io.Writer) (*frames, error) {
	workers := workers()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(frameSize), zstd.WithEncoderConcurrency(workers))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	f := &frames{zstd: z, free: make(chan *frame, workers+1), queue: make(chan *frame, workers+1), ended: make(chan struct{})}
	for range workers + 1 { // one is being filled
		f.free <- &frame{plain: make([]byte, 0, frameSize), ready: make(chan struct{}, 1)}
	}
	go f.drain(w)
	return f, nil
}

// drain writes the frames in their order, and the table. After an error it lets the
// others go by.
func (f *frames) drain(w io.Writer) {
	defer close(f.ended)
	put := func(b []byte) {
		if f.err() != nil {
			return
		}
		if _, err := w.Write(b); err != nil {
			f.mu.Lock()
			f.failed = err
			f.mu.Unlock()
		}
	}
	var table []byte
	for one := range f.queue {
		<-one.ready
		put(one.packed)
		table = appendSeekEntry(table, len(one.packed), len(one.plain))
		one.plain = one.plain[:0]
		f.free <- one
	}
	head, foot := seekFrame(len(table) / seekEntry)
	put(slices.Concat(head, table, foot))
}

func (f *frames) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// Write implements io.Writer. The error may be that of an earlier part.
func (f *frames) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if f.now == nil {
			f.now = <-f.free
		}
		took := min(len(b), frameSize-len(f.now.plain))
		f.now.plain = append(f.now.plain, b[:took]...)
		b, n = b[took:], n+took
		if len(f.now.plain) == frameSize {
			f.Flush()
		}
	}
	return n, f.err()
}

// BeginFile and EndFile stand around what is written of a file of so many bytes:
// small ones share a frame, any other begins one and ends one.
func (f *frames) BeginFile(size int64) {
	if size >= leastFrame {
		f.Flush()
	}
}

// EndFile is described at BeginFile.
func (f *frames) EndFile(size int64) {
	if size >= leastFrame || f.now != nil && len(f.now.plain) >= leastFrame {
		f.Flush()
	}
}

// Flush lets the next byte begin a frame of its own.
func (f *frames) Flush() {
	one := f.now
	if one == nil {
		return
	}
	f.now = nil
	f.queue <- one
	go func() {
		one.packed = f.zstd.EncodeAll(one.plain, one.packed[:0])
		one.ready <- struct{}{}
	}()
}

// Close writes what is left and waits for all of it. It may be called twice.
func (f *frames) Close() error {
	if !f.closed {
		f.closed = true
		f.Flush()
		close(f.queue)
	}
	<-f.ended
	return f.err()
}
