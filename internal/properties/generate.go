package properties

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

const (
	instanceDigits = 12
	// secretKeyLen is 256 bits: the connector's own keys are AES-256.
	secretKeyLen = 32
)

// NewInstanceNumber draws 12 digits, the first not 0, each number as likely as
// any other. random is crypto/rand's Reader; its error is returned.
func NewInstanceNumber(random io.Reader) (string, error) {
	const first, count = 100_000_000_000, 900_000_000_000
	for {
		var b [8]byte
		if _, err := io.ReadFull(random, b[3:]); err != nil {
			return "", fmt.Errorf("draw an instance number: %w", err)
		}
		// 40 bits, drawn again where they fall beyond the range: a remainder
		// would prefer the small numbers.
		if n := binary.BigEndian.Uint64(b[:]); n < count {
			return strconv.FormatUint(first+n, 10), nil
		}
	}
}

// NewSecretKey draws 32 bytes and gives them in base64. random is crypto/rand's
// Reader; its error is returned.
func NewSecretKey(random io.Reader) (string, error) {
	b := make([]byte, secretKeyLen)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("draw a secret key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}
