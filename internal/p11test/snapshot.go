package p11test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Snapshot lists every object of the token, one a line and sorted: class, label,
// id, attributes, and a digest of the value where the token tells it. Two
// snapshots are equal exactly when the token shows the same objects. It logs
// in as the user, in a process of its own; on SoftHSM no other process should
// log in at that moment.
func (k Tok) Snapshot(t testing.TB) string {
	t.Helper()
	number := -1
	for _, s := range k.slots(t) {
		if s.serial == k.Serial && s.initialised() {
			number = int(s.number)
		}
	}
	if number < 0 {
		t.Fatalf("the token with serial number %s is not there", k.Serial)
	}
	var objects []string
	for line := range strings.Lines(k.list(t, k.PIN+"\n", "objects", strconv.Itoa(number))) {
		object, err := describe(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	slices.Sort(objects)
	return strings.Join(objects, "")
}

// classes and keyTypes are PKCS#11's numbers that ssovault's tokens hold.
var (
	classes  = map[uint64]string{0: "data", 1: "certificate", 2: "public-key", 3: "private-key", 4: "secret-key"}
	keyTypes = map[uint64]string{0: "rsa", 3: "ec", 0x10: "generic", 0x15: "des3", 0x1f: "aes"}
)

// describe makes one line of the NAME=HEX fields of an object.
func describe(fields []string) (string, error) {
	var class, label, id string
	var rest []string
	for _, field := range fields {
		name, digits, ok := strings.Cut(field, "=")
		value, err := hex.DecodeString(digits)
		if !ok || err != nil {
			return "", fmt.Errorf("p11list: unreadable field %q", field)
		}
		switch name {
		case "class":
			class = named(classes, value)
		case "label":
			label = string(value)
		case "id":
			id = digits
		case "key-type":
			rest = append(rest, named(keyTypes, value))
		case "length":
			rest = append(rest, fmt.Sprintf("bytes=%d", number(value)))
		case "value", "modulus", "application":
			if len(value) > 0 {
				rest = append(rest, fmt.Sprintf("%s=sha256:%x", name, sha256.Sum256(value)))
			}
		default:
			if number(value) != 0 {
				rest = append(rest, name)
			}
		}
	}
	return fmt.Sprintf("%s %q id=%s %s\n", class, label, id, strings.Join(rest, " ")), nil
}

func named(names map[uint64]string, value []byte) string {
	n := number(value)
	if name, ok := names[n]; ok {
		return name
	}
	return fmt.Sprintf("%#x", n)
}

// number reads a CK_BBOOL or a CK_ULONG, both little-endian on the architectures
// that are supported.
func number(value []byte) uint64 {
	var padded [8]byte
	copy(padded[:], value)
	return binary.LittleEndian.Uint64(padded[:])
}
