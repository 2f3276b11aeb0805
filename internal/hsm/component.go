package hsm

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// Of how many components a key may consist. One alone would be the key.
const (
	MinComponents = 2
	MaxComponents = 16
)

// Component is one part of a key: as long as the key, which is the XOR of all.
// Whoever lacks one of them knows nothing of the key. A Triple-DES component
// has odd parity when it was made here; one that is typed in need not have it.
type Component struct{ Key }

// Generate draws n components for a key of the type and its bits from the
// operating system's generator, and gives them and the key, all to be wiped.
// Cause Usage for a length or a number that is not allowed.
func Generate(t KeyType, bits, n int) ([]Component, Key, error) {
	size, err := t.Size(bits)
	if err != nil {
		return nil, Key{}, err
	}
	if err := checkCount(n); err != nil {
		return nil, Key{}, err
	}
	for {
		components := make([]Component, n)
		for i := range components {
			b := make([]byte, size)
			_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
			if t == DES3 {
				adjustParity(b)
			}
			components[i] = Component{Key{t, secret.New(b)}}
		}
		key, err := Combine(components)
		if err == nil {
			return components, key, nil
		}
		for _, c := range components { // weak, once in 2⁵⁰ or so: draw again
			c.Wipe()
		}
	}
}

// Combine gives the key of the components, to be wiped, whatever their order.
// The parity of a Triple-DES key is adjusted. Cause Usage: fewer than two or
// too many, of different types or lengths, the same one twice, one of zeros
// alone, a key of zeros alone or a weak one; the key is never given then.
func Combine(components []Component) (Key, error) {
	if err := checkCount(len(components)); err != nil {
		return Key{}, err
	}
	first := components[0]
	size, err := first.Type.Size(first.Bits())
	if err != nil {
		return Key{}, err
	}
	sum := make([]byte, size)
	parts := make([][]byte, len(components)) // with their parity adjusted
	defer func() {
		for _, p := range parts {
			secret.Wipe(p)
		}
	}()
	for i, c := range components {
		if c.Type != first.Type || c.Bits() != first.Bits() {
			return refuse(sum, "component %d is %s of %d bits, component 1 is %s of %d", i+1, c.Type, c.Bits(), first.Type, first.Bits())
		}
		parts[i] = c.Value.Clone().Bytes()
		if c.Type == DES3 {
			adjustParity(parts[i])
		}
		if blank(c.Type, parts[i]) {
			return refuse(sum, "component %d is all zeros: it adds nothing to the key", i+1)
		}
		for j := range i {
			if subtle.ConstantTimeCompare(parts[i], parts[j]) == 1 {
				return refuse(sum, "components %d and %d are the same: they cancel each other out", j+1, i+1)
			}
		}
		subtle.XORBytes(sum, sum, parts[i])
	}
	if first.Type == DES3 {
		adjustParity(sum)
	}
	if blank(first.Type, sum) {
		return refuse(sum, "the key of these components is all zeros")
	}
	if first.Type == DES3 {
		if why := weakDES(sum); why != "" {
			return refuse(sum, "the key of these components is weak: %s", why)
		}
	}
	return Key{first.Type, secret.New(sum)}, nil
}

// refuse wipes what there is of the key.
func refuse(sum []byte, format string, args ...any) (Key, error) {
	secret.Wipe(sum)
	return Key{}, fault.New(fault.Usage, format, args...).
		With("no key was made; look at the sheets of the custodians, or make new components")
}

func checkCount(n int) error {
	if n < MinComponents || n > MaxComponents {
		return fault.New(fault.Usage, "a key has %d to %d components, not %d", MinComponents, MaxComponents, n)
	}
	return nil
}

// blank tells whether a value, its parity adjusted, has no bit set that counts.
func blank(t KeyType, b []byte) bool {
	zeros := make([]byte, len(b))
	if t == DES3 {
		adjustParity(zeros)
	}
	return subtle.ConstantTimeCompare(b, zeros) == 1
}

// Lines gives the component and its KCV as files and pipes have them: upper-case
// hexadecimal digits, a line each. It is to be wiped.
func (c Component) Lines() (secret.Value, error) {
	kcv, err := c.KCV()
	if err != nil {
		return secret.Value{}, err
	}
	b := make([]byte, 0, 2*c.Value.Len()+2*len(kcv)+2)
	b = append(appendHex(b, c.Value.Bytes()), '\n')
	return secret.New(fmt.Appendf(b, "%s\n", kcv)), nil
}

// appendHex writes upper-case digits. The caller gives b the room, so that no
// second copy is left behind.
func appendHex(b, value []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, v := range value {
		b = append(b, digits[v>>4], digits[v&15])
	}
	return b
}
