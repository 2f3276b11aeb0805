package vault

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// KeyLabelFor is the label of an instance's first sealing key in a token. The
// second one's ends in " -2", and so on.
func KeyLabelFor(instance string) string { return "SSO Vault Properties " + instance }

// KeyLabelPrefix begins the label of every sealing key of ssovault.
var KeyLabelPrefix = strings.TrimSpace(KeyLabelFor(""))

// maxKeyNumber bounds what is taken for a number of ours: above it a label is
// somebody's own.
const maxKeyNumber = 1 << 20

// numberedLabel is the label of an instance's n-th key in a token, from 1.
func numberedLabel(instance string, n int) string {
	if n == 1 {
		return KeyLabelFor(instance)
	}
	return fmt.Sprintf("%s -%d", KeyLabelFor(instance), n)
}

// keyNumber tells which key of an instance a label is that of: 1 for the first
// one, 0 when it is no label that ssovault gives.
func keyNumber(label, instance string) int {
	rest, ok := strings.CutPrefix(label, KeyLabelFor(instance))
	switch {
	case !ok:
		return 0
	case rest == "":
		return 1
	}
	n, err := strconv.Atoi(strings.TrimPrefix(rest, " -"))
	if err != nil || n < 2 || n > maxKeyNumber || numberedLabel(instance, n) != label {
		return 0
	}
	return n
}

// nextLabel is the label for an instance's next key in a token: the number
// after the highest there, so that no label in a backup's manifest comes to
// mean another key while its own is still there. Keys that the next save removes
// are left out.
func nextLabel(ctx context.Context, store sks.Store, instance string, but ...sks.KeyID) (string, error) {
	highest := 0
	keeper, ok := store.(sks.Keeper)
	if !ok {
		return KeyLabelFor(instance), nil
	}
	keys, err := keeper.List(ctx, KeyLabelFor(instance))
	if err != nil {
		return "", fault.Wrap(fault.Unreachable, err, "look for keys of instance %s", instance)
	}
	for _, k := range keys {
		if !slices.Contains(but, k.ID) {
			highest = max(highest, keyNumber(k.Label, instance))
		}
	}
	return numberedLabel(instance, highest+1), nil
}
