package vault

import (
	"fmt"
	"strings"
)

// knownKeys are those of sks.properties; any other one is kept and does nothing. In a
// file that parseSKS takes their values hold no secret, but for a command's arguments
// in sks.pin.
var knownKeys = []string{
	keyVersion, keyType, keyLibrary, keyLabel, keySerial, keyRole, keyInstance, keyKeyLabel, keyKeyID, keyProof,
	keyPIN, keyRollback, keyQuestion, keyUse, keyMake,
	keyRecoveryTo, keyRecoverySigner, keyRecoveryShares, keyRecoveryDigest,
}

const (
	maxKeyMeant   = 64 // a longer key is no slip of the fingers
	unknownListed = 8
)

// UnknownKey is a key in sks.properties that ssovault does not know.
type UnknownKey struct {
	// Key is "" for a line that has no value: that may be a secret which was put in
	// the wrong place, and is not repeated.
	Key string `json:"key"`
	// Nearest is the known key that may be meant, or "".
	Nearest string `json:"nearest,omitempty"`
}

// Unknown lists those keys, in the order of the file. A slip in one of them turns
// a protection off without a word.
func (s SKS) Unknown() (unknown []UnknownKey) {
	if s.text == nil {
		return nil
	}
	known := map[string]bool{}
	for _, key := range knownKeys {
		known[key] = true
	}
	for _, key := range s.text.Keys() {
		switch value, _ := s.text.Get(key); {
		case known[key]:
		case value == "":
			unknown = append(unknown, UnknownKey{})
		default:
			unknown = append(unknown, UnknownKey{key, nearest(key)})
		}
	}
	return unknown
}

// UnknownText says which keys are unknown, or "" when none is.
func UnknownText(unknown []UnknownKey) string {
	if len(unknown) == 0 {
		return ""
	}
	var names []string
	for i, u := range unknown {
		if i == unknownListed {
			names = append(names, fmt.Sprintf("%d more", len(unknown)-i))
			break
		}
		name := fmt.Sprintf("%q", u.Key)
		switch {
		case u.Key == "":
			name = "a line without a value"
		case u.Nearest != "":
			name += " (is " + u.Nearest + " meant?)"
		}
		names = append(names, name)
	}
	return "data/" + SKSFile + " has keys that ssovault does not know, so they do nothing: " + strings.Join(names, ", ")
}

// nearest gives the known key that differs in the fewest letters, "sks." aside, and in
// a third of them at most, or that goes on after it; else "".
func nearest(key string) (found string) {
	if len(key) > maxKeyMeant {
		return ""
	}
	key = strings.TrimPrefix(strings.ToLower(key), keyPrefix)
	least := 2 * maxKeyMeant
	for _, known := range knownKeys {
		bare := strings.TrimPrefix(known, keyPrefix)
		n := edits(key, bare)
		if n < least && (n <= max(1, len(key)/3) || strings.HasPrefix(bare, key+".")) {
			least, found = n, known
		}
	}
	return found
}

// keyPrefix begins most keys, and is easily left out or put in.
const keyPrefix = "sks."

// edits is the Levenshtein distance: how many letters have to be put in, taken out
// or replaced to make b of a.
func edits(a, b string) int {
	row := make([]int, len(b)+1) // for the beginning of a that was gone through
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			same := diagonal
			if a[i] != b[j] {
				same++
			}
			diagonal = row[j+1]
			row[j+1] = min(same, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
