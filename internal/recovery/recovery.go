// Package recovery is the second way to a connector's settings, for the day on
// which the HSM is gone: a file that is encrypted to somebody outside the server
// and signed from inside the sealed settings, and the shares into which that
// somebody's key may be split. docs/FORMAT.md is normative. The package knows
// neither disk nor clock.
package recovery

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Public is what everybody may know of a recovery: who can open the file, and
// whose signature it bears.
type Public struct {
	Recipient string // age1…
	Signer    Signer
	Shares    Shares // zero: one identity, not split
}

// Shares says into how many shares an identity is split, and how many of them
// bring it back.
type Shares struct{ Threshold, Count int }

// maxShares bounds Count: more custodians than anybody can call together.
const maxShares = 99

// Split tells whether there are shares at all.
func (s Shares) Split() bool { return s != Shares{} }

// Check refuses what is no splitting: a share that opens alone is an identity,
// not a share.
func (s Shares) Check() error {
	switch {
	case s.Threshold < 2:
		return errors.New("the threshold is at least 2: what one share opens alone needs no sharing")
	case s.Threshold > s.Count:
		return fmt.Errorf("%d of %d shares could never come together", s.Threshold, s.Count)
	case s.Count > maxShares:
		return fmt.Errorf("at most %d shares", maxShares)
	}
	return nil
}

// String gives "2 of 3", or "" where nothing is split.
func (s Shares) String() string {
	if !s.Split() {
		return ""
	}
	return fmt.Sprintf("%d of %d", s.Threshold, s.Count)
}

// ParseShares reads what String gives.
func ParseShares(text string) (s Shares, err error) {
	if text == "" {
		return s, nil
	}
	k, n, _ := strings.Cut(text, " of ")
	s.Threshold, _ = strconv.Atoi(k)
	s.Count, _ = strconv.Atoi(n)
	if s.String() != text {
		return Shares{}, fmt.Errorf("%q is not of the form K of N", text)
	}
	return s, s.Check()
}

// SetID tells recoveries apart: that of a share, and that of an identity, is
// found again in the file that they open.
type SetID [16]byte

// String gives the id as 32 hexadecimal digits.
func (id SetID) String() string { return hex.EncodeToString(id[:]) }

// Short is the beginning of the id, for names and sentences.
func (id SetID) Short() string { return id.String()[:8] }

// Set is the id of this recovery.
func (p Public) Set() (id SetID) {
	sum := sha256.Sum256([]byte("ssovault recovery set 1\n" + p.Recipient + "\n" + p.Signer.String() + "\n"))
	copy(id[:], sum[:])
	return id
}

// Who says who can open the settings without the HSM, as a clause's subject.
func (p Public) Who() string {
	if p.Shares.Split() {
		return fmt.Sprintf("any %s custodians of the set %s", p.Shares, p.Set().Short())
	}
	name := p.Recipient
	if len(name) > longRecipient {
		name = name[:longRecipient] + "…"
	}
	return "whoever holds the identity of " + name
}

// longRecipient is more than an X25519 recipient has; those of hybrid keys fill
// a page.
const longRecipient = 64

// letters writes bytes for people: RFC 4648 base32 has no digits that look like
// letters.
var letters = base32.StdEncoding.WithPadding(base32.NoPadding)

// normal undoes what people do to letters when they type them.
func normal(typed string) string {
	return typing.Replace(strings.ToUpper(typed))
}

var typing = strings.NewReplacer(" ", "", "\t", "", "-", "", "0", "O", "1", "I", "8", "B")

// groups sets a gap between every four letters.
func groups(s, gap string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteString(gap)
		}
		b.WriteRune(r)
	}
	return b.String()
}
