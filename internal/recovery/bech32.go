package recovery

import "strings"

// bech32 writes 32 bytes as BIP 173 has it, in upper case, with the prefix that
// age gives its secret keys: what the shares bring back are bytes, and age reads
// only its own text.
func bech32(prefix string, data []byte) string {
	const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	prefix = strings.ToLower(prefix)
	values := fives(data)
	var b strings.Builder
	b.WriteString(prefix)
	b.WriteByte('1')
	for _, v := range append(values, bechChecksum(prefix, values)...) {
		b.WriteByte(alphabet[v])
	}
	clear(values)
	return strings.ToUpper(b.String())
}

// fives cuts bytes into groups of five bits, the last one filled with zeros.
func fives(data []byte) []byte {
	out := make([]byte, 0, (len(data)*8+4)/5+6) // room for the checksum
	var acc uint32
	bits := 0
	for _, b := range data {
		acc = acc<<8 | uint32(b)
		for bits += 8; bits >= 5; bits -= 5 {
			out = append(out, byte(acc>>(bits-5))&31)
		}
	}
	if bits > 0 {
		out = append(out, byte(acc<<(5-bits))&31)
	}
	return out
}

// bechChecksum is the BCH code of BIP 173 over prefix and values.
func bechChecksum(prefix string, values []byte) []byte {
	generator := [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	sum := uint32(1)
	add := func(v byte) {
		top := sum >> 25
		sum = sum&0x1ffffff<<5 ^ uint32(v)
		for i, g := range generator {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for _, c := range []byte(prefix) {
		add(c >> 5)
	}
	add(0)
	for _, c := range []byte(prefix) {
		add(c & 31)
	}
	for _, v := range values {
		add(v)
	}
	for range 6 {
		add(0)
	}
	sum ^= 1
	out := make([]byte, 6)
	for i := range out {
		out[i] = byte(sum>>(5*(5-i))) & 31
	}
	return out
}
