package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// decoderMemory bounds the window that an archive may ask for.
const decoderMemory = 8 << 20

// An Archive is a backup that is being read. The manifest has been checked;
// that the files are what it says is known only at the end of Walk.
type Archive struct {
	Manifest  Manifest
	Encrypted bool
	file      io.ReaderAt
	size      int64
	key       age.Identity      // of an encrypted one
	text      [sha256.Size]byte // digest of the manifest's text
	in        *unframes
	entries   *entries // in reads ahead for them
}

// Open reads the manifest of an archive of size bytes. Cause Malformed for what
// ssovault would not have written, Tampered for what is damaged; ErrLocked
// without a key that fits. The caller closes it.
func Open(r io.ReaderAt, size int64, keys Keys) (a *Archive, err error) {
	in, key, err := decrypted(r, size, keys)
	if err != nil {
		return nil, err
	}
	mem, err := newUnpacker()
	if err != nil {
		return nil, readError(err, "its beginning")
	}
	z := newUnframes(in, mem, workers())
	if a, err = openTar(z); err != nil {
		z.Close()
		mem.zstd.Close()
		return nil, err
	}
	a.in, a.file, a.size, a.key, a.Encrypted = z, r, size, key, key != nil
	return a, nil
}

// OpenFile is Open for a file.
func OpenFile(f *os.File, keys Keys) (*Archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, readError(err, "its beginning")
	}
	return Open(f, info.Size(), keys)
}

// openTar reads the manifest of a tar stream.
func openTar(in chunks) (*Archive, error) {
	a := &Archive{}
	a.entries = &entries{manifest: &a.Manifest, in: in}
	text, err := a.entries.first()
	if err != nil {
		return nil, err
	}
	a.text = sha256.Sum256(text)
	a.Manifest, err = parseManifest(text)
	return a, err
}

// Close lets go of the decompressor.
func (a *Archive) Close() {
	a.in.Close()
	a.in.mem.zstd.Close()
}

// readError says why an archive cannot be read on.
func readError(err error, what string) error {
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return fault.Wrap(durable.Cause(err), err, "read %s", what)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeTooSmall):
		return hostile("%s asks for more memory than any backup needs", what)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return damaged(io.ErrUnexpectedEOF, "it ends within %s", what)
	}
	return damaged(err, "%s cannot be read", what)
}

// A Sink takes in the content of an entry; nil for one that is not wanted. The
// writer is closed when all of it has been written.
type Sink func(Entry) (io.WriteCloser, error)

// Walk reads all of the archive, which must be exactly what its manifest says,
// and gives each file to the sink, in order. What a sink was given counts only
// when Walk returns nil. Causes as Open.
func (a *Archive) Walk(ctx context.Context, sink Sink, report Progress) error {
	m := a.meter(ctx, report)
	bad, err := a.entries.walk(0, len(a.Manifest.Entries), sink, m)
	if err == nil {
		err = a.entries.end()
	}
	if c := fault.Of(err); len(bad) > 0 && (err == nil || c == fault.Tampered) {
		return damaged(err, "%s is not what was backed up", strings.Join(bad, ", "))
	}
	return err
}

// walkAnyhow is Walk for whom the order does not matter: several parts are read
// at a time. Only an archive that is not whole is then read from its beginning,
// to be refused in the words that fit it; before that, again takes back what the
// sink was given.
func (a *Archive) walkAnyhow(ctx context.Context, sink Sink, again func() error, report Progress) error {
	if a.wholeInParts(sink, a.meter(ctx, report), leastPart) {
		return nil
	}
	if err := again(); err != nil {
		return err
	}
	return a.Walk(ctx, sink, report)
}

func (a *Archive) meter(ctx context.Context, report Progress) *meter {
	return &meter{ctx: ctx, report: report, total: a.Manifest.Total()}
}
