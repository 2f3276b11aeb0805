package admin

import (
	"encoding/binary"
	"errors"

	"ssovault/internal/hsm"
	"ssovault/internal/secret"
)

// integrity undoes an AES key wrap (RFC 3394, 2.2.2) by single blocks and gives
// the value that begins what was wrapped: it tells which wrap it was. The key
// itself is thrown away.
func integrity(wrapped []byte, decrypt func(block []byte) ([]byte, error)) (value [8]byte, err error) {
	n := len(wrapped)/8 - 1
	if n < 2 || len(wrapped)%8 != 0 {
		return value, errors.New("no key of two blocks or more was wrapped")
	}
	work := append([]byte(nil), wrapped...)
	defer secret.Wipe(work)
	for step := 6 * n; step > 0; step-- {
		right := work[8*((step-1)%n+1):][:8]
		block := binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(work)^uint64(step))
		out, err := decrypt(append(block, right...))
		if err != nil {
			return value, err
		}
		if len(out) != 16 {
			return value, errors.New("a block became another length")
		}
		copy(work, out[:8])
		copy(right, out[8:])
		secret.Wipe(out)
	}
	return [8]byte(work), nil
}

// wrapOf tells by the integrity value which wrap it was of a key of so many
// bytes: that of RFC 5649 holds the length, that of RFC 3394 is constant.
func wrapOf(value [8]byte, size int) (hsm.Mechanism, bool) {
	switch binary.BigEndian.Uint64(value[:]) {
	case 0xA65959A6<<32 | uint64(size):
		return hsm.KWP, true
	case 0xA6A6A6A6A6A6A6A6:
		return hsm.KW, true
	}
	return "", false
}
