package isolate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"ssovault/internal/secret"
)

// Limits of one frame. A payload holds a sealed file of at most 16 MiB with its
// IV, its tag and the header that it is bound to.
const (
	maxHead    = 64 << 10
	maxPayload = 16<<20 + 4<<10
)

// errFrame is the answer to a frame that keeps no limit.
var errFrame = errors.New("a message beyond its limits")

// writeFrame writes one message: the length of the head and the head, the
// length of the payload and its parts one after the other, so that no secret is
// copied only to be sent.
func writeFrame(w io.Writer, head []byte, payload ...[]byte) error {
	total := 0
	for _, p := range payload {
		total += len(p)
	}
	if len(head) > maxHead || total > maxPayload {
		return fmt.Errorf("%w: %d and %d bytes", errFrame, len(head), total)
	}
	front := make([]byte, 0, 4+len(head)+4)
	front = binary.BigEndian.AppendUint32(front, uint32(len(head)))
	front = append(front, head...)
	front = binary.BigEndian.AppendUint32(front, uint32(total))
	if _, err := w.Write(front); err != nil {
		return err
	}
	for _, p := range payload {
		if len(p) == 0 {
			continue
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// readFrame reads one message. The end between two messages is io.EOF, within
// one io.ErrUnexpectedEOF. The caller wipes the payload.
func readFrame(r io.Reader) (head, payload []byte, err error) {
	if head, err = readPart(r, maxHead); err != nil {
		return nil, nil, err
	}
	if payload, err = readPart(r, maxPayload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, nil, err
	}
	return head, payload, nil
}

// hugeFrom is from which size a buffer is worth huge pages: the thousands of
// page faults of a fresh 16 MiB buffer cost as much as AES/GCM itself.
const hugeFrom = 4 << 20

// buffer allocates n bytes.
func buffer(n int) []byte {
	b := make([]byte, n)
	if n >= hugeFrom {
		page := os.Getpagesize()
		skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % uintptr(page))
		// Advice only: without it the buffer works as well.
		_ = unix.Madvise(b[skip:skip+(n-skip)/page*page], unix.MADV_HUGEPAGE)
	}
	return b
}

// readPart reads a length, compares it with its limit before it allocates, and
// reads that many bytes.
func readPart(r io.Reader, limit uint32) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > limit {
		return nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	b := buffer(int(n))
	if _, err := io.ReadFull(r, b); err != nil {
		secret.Wipe(b)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}
