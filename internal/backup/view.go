package backup

import (
	"bufio"
	"io"

	"filippo.io/age"
)

// A view reads an archive at any place, as if it were not encrypted.
type view struct {
	io.ReaderAt
	size      int64
	encrypted bool
}

// ageChunk is what age decrypts at a time, whichever of its bytes are wanted
// (age-encryption.org/v1, Payload), and viewBuffer some of them: age allocates
// for each reading.
const ageChunk, viewBuffer = 64 << 10, frameSize

// view makes one. Of an encrypted archive it has read the end, which must be
// whole.
func (a *Archive) view() (v view, err error) {
	if a.key == nil {
		return view{a.file, a.size, false}, nil
	}
	v.encrypted = true
	v.ReaderAt, v.size, err = age.DecryptReaderAt(a.file, a.size, a.key)
	return v, err
}

// section reads from one byte to before another, each chunk once.
func (v view) section(from, to int64) (io.Reader, error) {
	if !v.encrypted {
		return io.NewSectionReader(v, from, to-from), nil
	}
	start := from - from%ageChunk
	r := bufio.NewReaderSize(io.NewSectionReader(v, start, to-start), viewBuffer)
	_, err := r.Discard(int(from - start))
	return r, err
}
