package p11test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
)

// Pair makes an RSA pair of 2048 bits in the token, as other people's tools do:
// each key has the label, the id, and the attributes (CKA_…) that are true or
// false as said; of the rest the token decides. On SoftHSM no other process
// should log in at that moment.
func (k Tok) Pair(t testing.TB, label string, id []byte, public, private map[uint]bool) {
	t.Helper()
	const onToken, labelled, named, modulusBits, exponent = 0x1, 0x3, 0x102, 0x121, 0x122
	both := []string{fmt.Sprintf("%#x=01", onToken), fmt.Sprintf("%#x=%x", labelled, label), fmt.Sprintf("%#x=%x", named, id)}
	with := func(flags map[uint]bool, more ...string) []string {
		all := append(slices.Clone(both), more...)
		for _, attribute := range slices.Sorted(maps.Keys(flags)) {
			all = append(all, fmt.Sprintf("%#x=%s", attribute, map[bool]string{true: "01", false: "00"}[flags[attribute]]))
		}
		return all
	}
	first := with(public, fmt.Sprintf("%#x=%s", modulusBits, ulong(2048)), fmt.Sprintf("%#x=010001", exponent))
	k.have(t, "pair", append(append([]string{strconv.Itoa(len(first))}, first...), with(private)...)...)
}
