package backup

import (
	"archive/tar"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

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
	zstd      *unframes
	count     *counter
	tar       *tar.Reader
}

// counter counts what has been read of the tar stream.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// Open reads the manifest. Cause Malformed for what ssovault would not have
// written, Tampered for what is damaged; ErrLocked without a key that fits.
// The caller closes it.
func Open(r io.Reader, keys Keys) (a *Archive, err error) {
	in, encrypted, err := decrypted(r, keys)
	if err != nil {
		return nil, err
	}
	z, err := newUnframes(in)
	if err != nil {
		return nil, readError(err, "its beginning")
	}
	if a, err = openTar(z); err != nil {
		z.Close()
		return nil, err
	}
	a.zstd, a.Encrypted = z, encrypted
	return a, nil
}

// openTar reads the manifest of a tar stream.
func openTar(r io.Reader) (*Archive, error) {
	count := &counter{r: r}
	a := &Archive{count: count, tar: tar.NewReader(count)}
	h, err := a.next("its manifest")
	switch {
	case errors.Is(err, io.EOF):
		return nil, hostile("it is empty")
	case err != nil:
		return nil, err
	case h.Name != manifestName || h.Typeflag != tar.TypeReg || len(h.PAXRecords) > 0:
		return nil, hostile("it does not begin with %s", manifestName)
	case h.Size > maxManifest:
		return nil, hostile("its manifest would have %d bytes", h.Size)
	}
	text := make([]byte, h.Size)
	if _, err := io.ReadFull(a.tar, text); err != nil {
		return nil, readError(err, "its manifest")
	}
	a.Manifest, err = parseManifest(text)
	return a, err
}

// Close lets go of the decompressor.
func (a *Archive) Close() { a.zstd.Close() }

// next reads a tar header; io.EOF at the end of the archive.
func (a *Archive) next(what string) (*tar.Header, error) {
	h, err := a.tar.Next()
	if errors.Is(err, io.EOF) || err == nil {
		return h, err
	}
	return nil, readError(err, what)
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
// and gives each file to the sink. What a sink was given counts only when Walk
// returns nil. Causes as Open.
func (a *Archive) Walk(ctx context.Context, sink Sink, report Progress) error {
	m := &meter{ctx: ctx, report: report, total: a.Manifest.Total()}
	bad, err := a.walk(sink, m)
	if c := fault.Of(err); len(bad) > 0 && (err == nil || c == fault.Tampered) {
		return damaged(err, "%s is not what was backed up", strings.Join(bad, ", "))
	}
	return err
}

// walk reads everything, and lists the files whose content is another. It goes
// on after one: all that are damaged are named.
func (a *Archive) walk(sink Sink, m *meter) (bad []string, err error) {
	pump := newPump()
	defer pump.close()
	for i, e := range a.Manifest.Entries {
		h, err := a.next("data/" + e.Name)
		if errors.Is(err, io.EOF) {
			return bad, hostile("data/%s is in its manifest, but not in it", e.Name)
		}
		if err != nil {
			return bad, err
		}
		if err := a.fits(h, i); err != nil {
			return bad, err
		}
		good, err := a.one(e, sink, pump, m)
		if err != nil {
			return bad, err
		}
		if !good {
			bad = append(bad, "data/"+e.Name)
		}
	}
	return bad, a.end()
}

// one reads one entry, and tells whether its content is the manifest's.
func (a *Archive) one(e Entry, sink Sink, pump *pump, m *meter) (good bool, err error) {
	var w io.WriteCloser
	if sink != nil {
		if w, err = sink(e); err != nil {
			return false, err
		}
	}
	var to io.Writer
	if w != nil {
		to = w
	}
	if e.Folder {
		return true, nil
	}
	n, sum, err := pump.copy(to, reading{a.tar, "data/" + e.Name}, e.Size, m)
	if w != nil {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}
	return n == e.Size && hex.EncodeToString(sum) == e.SHA256, err
}

// reading gives the errors of an archive their cause, so that they are not
// taken for those of the disk that is written to.
type reading struct {
	r    io.Reader
	what string
}

func (r reading) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if err != nil && err != io.EOF {
		err = readError(err, r.what)
	}
	return n, err
}

// fits makes sure that a tar header is the one that ssovault writes for the
// i-th entry of the manifest, and says what it is instead.
func (a *Archive) fits(h *tar.Header, i int) error {
	want := a.Manifest.Entries[i].header()
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir:
	case tar.TypeSymlink, tar.TypeLink:
		return hostile("%q is a link to %q", h.Name, h.Linkname)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return hostile("%q is a device or a pipe", h.Name)
	default:
		return hostile("%q is of the kind %q", h.Name, h.Typeflag)
	}
	for key := range h.PAXRecords {
		if key != "path" && key != "size" {
			return hostile("%q has the record %q", h.Name, key)
		}
	}
	name, inData := strings.CutPrefix(h.Name, dataPrefix)
	name = strings.TrimSuffix(name, "/")
	switch {
	case path.IsAbs(h.Name) || !inData:
		return hostile("%q is not below %s", h.Name, dataPrefix)
	case h.Name != want.Name:
		if err := checkName(name); err != nil {
			return err
		}
		for j, e := range a.Manifest.Entries {
			switch {
			case e.Name == name && j < i:
				return hostile("%q is in it twice", h.Name)
			case e.Name == name && j == i:
				return hostile("%q is a folder in one place and a file in another", h.Name)
			case e.Name == name:
				return hostile("data/%s is in its manifest, but not where it should be", a.Manifest.Entries[i].Name)
			}
		}
		return hostile("%q is in it, but not in its manifest", h.Name)
	case h.Typeflag != want.Typeflag:
		return hostile("%q is a folder in one place and a file in another", h.Name)
	case h.Size != want.Size:
		return hostile("%q has %d bytes, and %d in its manifest", h.Name, h.Size, want.Size)
	case h.Mode != want.Mode || !h.ModTime.Equal(want.ModTime) || h.Linkname != "" || h.Uid != 0 || h.Gid != 0 ||
		h.Uname != "" || h.Gname != "" || h.Devmajor != 0 || h.Devminor != 0:
		return hostile("%q has a mode, a time or an owner that its manifest does not have", h.Name)
	}
	return nil
}

// tarEnd is the size of the end of a tar stream: two empty blocks.
const tarEnd, tarBlock = 1024, 512

// end makes sure that nothing follows the last file, and that the end is there.
func (a *Archive) end() error {
	before := a.count.n
	h, err := a.next("its end")
	if err == nil {
		if err := checkName(strings.TrimSuffix(strings.TrimPrefix(h.Name, dataPrefix), "/")); err != nil {
			return err
		}
		return hostile("%q is in it, but not in its manifest", h.Name)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	// archive/tar takes a stream that stops between two files for whole.
	if a.count.n-before < tarEnd || a.count.n%tarBlock != 0 {
		return damaged(io.ErrUnexpectedEOF, "its end is missing")
	}
	var one [1]byte
	switch n, err := io.ReadFull(a.count, one[:]); {
	case n > 0:
		return hostile("something follows its end")
	case !errors.Is(err, io.EOF):
		return readError(err, "its end")
	}
	return nil
}
