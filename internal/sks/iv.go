package sks

import "fmt"

// IVConvention says who makes the 96- or 128-bit IV of AES/GCM and where a box
// holds it. Devices differ; every sealed file names its own.
type IVConvention uint8

const (
	// IVCaller: ssovault draws 12 bytes from the operating system. The box is
	// IV ‖ ciphertext ‖ tag.
	IVCaller IVConvention = iota + 1
	// IVAppended: the token makes 16 bytes and appends them (Luna in FIPS mode
	// before firmware 7.9.3, ProtectServer). The box is ciphertext ‖ tag ‖ IV.
	IVAppended
	// IVWritten: the token makes 12 bytes and writes them into CK_GCM_PARAMS
	// (AWS CloudHSM). The box is ciphertext ‖ tag ‖ IV.
	IVWritten
)

// TagSize is the length of the GCM tag in bytes.
const TagSize = 16

var ivNames = map[IVConvention]string{IVCaller: "caller", IVAppended: "token-appended", IVWritten: "token-written"}

// String gives the word that files use.
func (c IVConvention) String() string {
	if n, ok := ivNames[c]; ok {
		return n
	}
	return fmt.Sprintf("IVConvention(%d)", uint8(c))
}

// ParseIVConvention reads the word that files use.
func ParseIVConvention(s string) (IVConvention, error) {
	for c, n := range ivNames {
		if n == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("unknown IV convention %q", s)
}

// IVSize is the length of the IV in bytes.
func (c IVConvention) IVSize() int {
	if c == IVAppended {
		return 16
	}
	return 12
}

// Overhead is how many bytes longer a box is than its plaintext.
func (c IVConvention) Overhead() int { return c.IVSize() + TagSize }

// Split parts a box into its IV and the ciphertext with its tag, without
// copying.
func (c IVConvention) Split(box []byte) (iv, sealed []byte, err error) {
	if _, known := ivNames[c]; !known {
		return nil, nil, fmt.Errorf("unknown IV convention %d", uint8(c))
	}
	if len(box) < c.Overhead() {
		return nil, nil, fmt.Errorf("a box of %d bytes is shorter than IV and tag", len(box))
	}
	if c == IVCaller {
		return box[:c.IVSize()], box[c.IVSize():], nil
	}
	cut := len(box) - c.IVSize()
	return box[cut:], box[:cut], nil
}
