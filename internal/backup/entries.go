package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// chunks is a stream that is read without being copied.
type chunks interface {
	// chunk gives the next bytes, limit of them at most; they hold until the next
	// call. At the end it gives io.EOF.
	chunk(limit int64) ([]byte, error)
}

// entries reads a tar stream, or a part of one that begins with an entry.
type entries struct {
	manifest *Manifest
	in       chunks
	n        int64 // bytes read
	padding  int64 // of the last entry, still to be read
}

// tarEnd is the size of the end of a tar stream: two empty blocks.
const tarEnd, tarBlock = 1024, 512

// Read implements io.Reader.
func (r *entries) Read(b []byte) (int, error) {
	c, err := r.chunk(int64(len(b)))
	return copy(b, c), err
}

func (r *entries) chunk(limit int64) ([]byte, error) {
	c, err := r.in.chunk(limit)
	r.n += int64(len(c))
	return c, err
}

// next reads a tar header; io.EOF at the end of the archive. The content is to
// be read by chunk, all of it.
func (r *entries) next(what string) (*tar.Header, error) {
	if err := r.pad(); err != nil {
		return nil, r.eof(err, what)
	}
	// A new one each: one that goes on from file to file wants to hand out the
	// content itself, and that would be a copy of every byte.
	h, err := tar.NewReader(r).Next()
	if err != nil {
		return nil, r.eof(err, what)
	}
	r.padding = -h.Size & (tarBlock - 1)
	return h, nil
}

// pad reads what fills the last block of the last entry.
func (r *entries) pad() error {
	n := r.padding
	r.padding = 0
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

// eof leaves io.EOF as it is.
func (r *entries) eof(err error, what string) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return readError(err, what)
}

// first reads the text of the manifest.
func (r *entries) first() ([]byte, error) {
	h, err := r.next("its manifest")
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
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, readError(err, "its manifest")
	}
	return text, nil
}

// walk reads the entries of the manifest from one to before another, and lists
// the files whose content is another. It goes on after one: all that are
// damaged are named.
func (r *entries) walk(from, to int, sink Sink, m *meter) (bad []string, err error) {
	digest := sha256.New()
	for i := from; i < to; i++ {
		e := r.manifest.Entries[i]
		h, err := r.next("data/" + e.Name)
		if errors.Is(err, io.EOF) {
			return bad, hostile("data/%s is in its manifest, but not in it", e.Name)
		}
		if err != nil {
			return bad, err
		}
		if err := r.fits(h, i); err != nil {
			return bad, err
		}
		good, err := r.one(e, sink, digest, m)
		if err != nil {
			return bad, err
		}
		if !good {
			bad = append(bad, "data/"+e.Name)
		}
	}
	return bad, nil
}

// one reads one entry, and tells whether its content is the manifest's.
func (r *entries) one(e Entry, sink Sink, digest hash.Hash, m *meter) (good bool, err error) {
	var w io.WriteCloser
	if sink != nil {
		if w, err = sink(e); err != nil {
			return false, err
		}
	}
	if e.Folder {
		return true, nil
	}
	digest.Reset()
	err = r.content(e, digest, w, m)
	if w != nil {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}
	return hex.EncodeToString(digest.Sum(nil)) == e.SHA256, err
}

// content reads the content of an entry, hashes it, and writes it to w (nil:
// nowhere), both at the same time.
func (r *entries) content(e Entry, digest hash.Hash, w io.Writer, m *meter) error {
	written := make(chan error, 1)
	for left := e.Size; left > 0; {
		b, err := r.chunk(left)
		if err != nil {
			return readError(err, "data/"+e.Name)
		}
		left -= int64(len(b))
		if w != nil {
			go func() {
				_, err := w.Write(b)
				written <- err
			}()
		}
		digest.Write(b)
		if w != nil { // b is not ours after the next chunk
			if err := <-written; err != nil {
				return err
			}
		}
		if err := m.add(len(b)); err != nil {
			return err
		}
	}
	return nil
}

// fits makes sure that a tar header is the one that ssovault writes for the
// i-th entry of the manifest, and says what it is instead.
func (r *entries) fits(h *tar.Header, i int) error {
	want := r.manifest.Entries[i].header()
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
		for j, e := range r.manifest.Entries {
			switch {
			case e.Name == name && j < i:
				return hostile("%q is in it twice", h.Name)
			case e.Name == name && j == i:
				return hostile("%q is a folder in one place and a file in another", h.Name)
			case e.Name == name:
				return hostile("data/%s is in its manifest, but not where it should be", r.manifest.Entries[i].Name)
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

// end makes sure that nothing follows the last file, and that the end is there.
func (r *entries) end() error {
	before := r.n
	h, err := r.next("its end")
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
	if r.n-before < tarEnd || r.n%tarBlock != 0 {
		return damaged(io.ErrUnexpectedEOF, "its end is missing")
	}
	switch b, err := r.chunk(1); {
	case len(b) > 0:
		return hostile("something follows its end")
	case errors.Is(err, zstd.ErrCRCMismatch):
		return damaged(err, "a checksum of zstd in it is another")
	case !errors.Is(err, io.EOF):
		return readError(err, "its end")
	}
	return nil
}
