package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"

	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

const (
	manifestName = "manifest.json"
	dataPrefix   = "data/"
	zstdMagic    = "\x28\xb5\x2f\xfd"
)

// Progress is told how many of how many bytes are done. It is called by one
// goroutine at a time, often.
type Progress func(done, total int64)

// meter counts for a Progress, and notices when it is time to stop. It may be
// used by several goroutines.
type meter struct {
	ctx    context.Context
	report Progress

	mu          sync.Mutex
	done, total int64
}

// Write counts what is written.
func (m *meter) Write(b []byte) (int, error) { return len(b), m.add(len(b)) }

func (m *meter) add(n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += int64(n)
	if m.report != nil {
		m.report(m.done, m.total)
	}
	if err := m.ctx.Err(); err != nil {
		return fault.Wrap(fault.Interrupted, err, "after %d of %d bytes", m.done, m.total)
	}
	return nil
}

// survey reads every file of a snapshot once, for its digest: the manifest
// comes first in the archive. Several files are read at a time.
func survey(s *vault.Snapshot, m *meter) ([]Entry, error) {
	for _, item := range s.Items() {
		m.total += 2 * sizeOf(item.Info) // once here, once for the archive
	}
	entries := make([]Entry, len(s.Items()))
	group, ctx := errgroup.WithContext(m.ctx)
	group.SetLimit(workers())
	for i, item := range s.Items() {
		if ctx.Err() != nil {
			break // one failed
		}
		group.Go(func() (err error) {
			entries[i], err = describe(s, item, m)
			return err
		})
	}
	return entries, group.Wait()
}

// describe makes the entry of one file or folder.
func describe(s *vault.Snapshot, item vault.Item, m *meter) (Entry, error) {
	mode := item.Info.Mode().Perm() & modeBits
	e := Entry{Name: item.Name, Folder: item.Info.IsDir(), Mode: uint32(mode), Time: item.Info.ModTime().UTC().Truncate(time.Second)}
	if e.Folder {
		return e, nil
	}
	r, err := s.Open(item)
	if err != nil {
		return e, err
	}
	defer r.Close()
	e.Size = item.Info.Size()
	digest := sha256.New()
	n, err := io.CopyBuffer(digest, io.TeeReader(io.LimitReader(r, e.Size+1), m), make([]byte, min(e.Size+1, pumpBuffer)))
	if err != nil {
		return e, fault.Wrap(fault.Unclassified, err, "read data/%s", e.Name)
	}
	if n != e.Size {
		return e, changed(e)
	}
	e.SHA256 = hex.EncodeToString(digest.Sum(nil))
	return e, nil
}

func sizeOf(info fs.FileInfo) int64 {
	if info.IsDir() {
		return 0
	}
	return info.Size()
}

func changed(e Entry) error {
	return fault.Wrap(fault.Unclassified, vault.ErrChanged, "read data/%s", e.Name)
}

// write makes the archive of a snapshot. It wraps vault.ErrChanged when a
// file is not any more what the manifest says.
func write(w io.Writer, man Manifest, s *vault.Snapshot, to Recipients, m *meter) (err error) {
	text, err := man.encode()
	if err != nil {
		return err
	}
	var closers []io.Closer // innermost last
	if to.Any() {
		encrypted, err := age.Encrypt(w, to.all...)
		if err != nil {
			return fault.Wrap(fault.Usage, err, "encrypt the backup")
		}
		w = encrypted
		closers = append(closers, encrypted)
	}
	z, err := newFrames(w)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = z.Close() // what it writes now is discarded
		}
	}()
	t := tar.NewWriter(z)
	closers = append(closers, z, t)

	head := &tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Size: int64(len(text)), Mode: 0o600, ModTime: man.Time.Truncate(time.Second)}
	if err := t.WriteHeader(head); err != nil {
		return err
	}
	if _, err := io.Copy(t, bytes.NewReader(text)); err != nil {
		return err
	}
	// A frame of zstd is whole or lost: the manifest has its own, and so has each file
	// that is not small. So damage is the damage of a few that can be named.
	if err := t.Flush(); err != nil {
		return err
	}
	z.Flush()
	items := s.Items()
	pump := newPump()
	defer pump.close()
	for i, e := range man.Entries {
		z.BeginFile(e.Size)
		if err := t.WriteHeader(e.header()); err != nil {
			return fmt.Errorf("archive data/%s: %w", e.Name, err)
		}
		if e.Folder {
			continue
		}
		r, err := s.Open(items[i])
		if err != nil {
			return err
		}
		n, sum, err := pump.copy(t, r, e.Size, m)
		if err == nil && n == e.Size {
			var one [1]byte // a file that has grown
			if more, _ := io.ReadFull(r, one[:]); more > 0 {
				n++
			}
		}
		r.Close()
		if err != nil {
			return fault.Wrap(fault.Unclassified, err, "archive data/%s", e.Name)
		}
		if n != e.Size || hex.EncodeToString(sum) != e.SHA256 {
			return changed(e)
		}
		if err := t.Flush(); err != nil {
			return fmt.Errorf("archive data/%s: %w", e.Name, err)
		}
		z.EndFile(e.Size)
	}
	for i := len(closers) - 1; i >= 0; i-- {
		if err := closers[i].Close(); err != nil {
			return fmt.Errorf("finish the archive: %w", err)
		}
	}
	return nil
}

// header is the one way in which an entry stands in an archive.
func (e Entry) header() *tar.Header {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: dataPrefix + e.Name, Size: e.Size, Mode: int64(e.Mode), ModTime: e.Time}
	if e.Folder {
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	}
	return h
}

// A pump copies and hashes at the same time, in two goroutines, with a fixed
// number of buffers.
type pump struct {
	free  chan []byte
	work  chan []byte
	reset chan chan []byte
}

const (
	pumpBuffers = 3
	pumpBuffer  = 256 << 10
)

func newPump() *pump {
	p := &pump{free: make(chan []byte, pumpBuffers), work: make(chan []byte), reset: make(chan chan []byte)}
	for range pumpBuffers {
		p.free <- make([]byte, pumpBuffer)
	}
	go func() {
		h := sha256.New()
		for {
			select {
			case b, ok := <-p.work:
				if !ok {
					return
				}
				h.Write(b)
				p.free <- b[:pumpBuffer]
			case answer := <-p.reset:
				answer <- h.Sum(nil)
				h.Reset()
			}
		}
	}()
	return p
}

func (p *pump) close() { close(p.work) }

// copy moves up to limit bytes from r to w (nil: nowhere), and gives their
// number and SHA-256. A w that fails does not spoil the pump for the next file.
func (p *pump) copy(w io.Writer, r io.Reader, limit int64, m *meter) (n int64, sum []byte, err error) {
	for err == nil && n < limit {
		b := <-p.free
		var got int
		got, err = fill(r, b[:min(int64(len(b)), limit-n)])
		n += int64(got)
		if w != nil && got > 0 {
			if _, writeErr := w.Write(b[:got]); writeErr != nil {
				err = writeErr
			}
		}
		p.work <- b[:got]
		if meterErr := m.add(got); meterErr != nil {
			err = meterErr
		}
	}
	if err == io.EOF {
		err = nil
	}
	answer := make(chan []byte, 1)
	p.reset <- answer
	return n, <-answer, err
}

// fill reads until b is full. Unlike io.ReadFull it leaves the reader's own
// error as it is: an archive that is cut off says so by io.ErrUnexpectedEOF.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var got int
		got, err = r.Read(b[n:])
		n += got
	}
	if n == len(b) {
		err = nil
	}
	return n, err
}
