package hsm

import (
	"encoding/binary"
	"fmt"
)

// blockSize is how many bytes are shown and typed at a time: eight digits are
// what people keep in mind between sheet and keyboard.
const blockSize = 4

// blockCheck is printed beside a block as two decimal digits: the number
// made of the block's place (from 1) and its eight digits, modulo 97. Since 97
// is a prime above 16, and no two of the first twelve powers of 16 leave the
// same remainder, each wrong digit, each two digits that changed places and
// each block typed at another's place gives another check.
func blockCheck(place int, block [blockSize]byte) int {
	return int((uint64(place)<<32 | uint64(binary.BigEndian.Uint32(block[:]))) % 97)
}

// appendBlock writes a block as sheets show it and Entry reads it.
func appendBlock(b []byte, place int, block [blockSize]byte) []byte {
	return fmt.Appendf(appendHex(b, block[:]), "-%02d", blockCheck(place, block))
}
