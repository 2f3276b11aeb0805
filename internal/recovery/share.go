package recovery

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/getsops/sops/v3/shamir"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// shareDomain begins what the dealer signs.
const shareDomain = "ssovault recovery share 1\n"

// Share is what one custodian holds: a point of the polynomials whose value at
// zero is the identity's key, signed by the dealer. Shamir's scheme by itself
// takes a share that was tampered with for a good one, and gives another key.
type Share struct {
	Set      SetID
	Instance string
	Dealt    time.Time
	Shares   Shares
	Index    int // from 1; also the point's x
	Signer   Signer

	y         [identitySize]byte
	signature [64]byte
}

// The bytes of a share, in their order. They fill eight lines of twenty.
const (
	shareVersion  = 1
	atSet         = 1
	atInstance    = 17 // six bytes, big-endian
	atDealt       = 23 // six bytes, seconds since 1970
	atThreshold   = 29
	atCount       = 30
	atIndex       = 31
	atY           = 32
	atSigner      = 64
	atSignature   = 96
	shareSize     = 160
	largestNumber = 999999999999
)

// Deal splits the key of a recovery into signed shares. Cause Usage when the
// numbers make no sense.
func Deal(key secret.Value, s Setup, instance string, now time.Time) ([]Share, error) {
	if err := s.Shares.Check(); err != nil {
		return nil, fault.Wrap(fault.Usage, err, "%s shares", s.Shares)
	}
	if !isDigits(instance) {
		return nil, fault.New(fault.Malformed, "the instance number %q is not %d digits", instance, instanceDigits)
	}
	points, err := shamir.Split(key.Bytes(), s.Shares.Count, s.Shares.Threshold)
	if err != nil {
		return nil, err
	}
	p := s.Public()
	all := make([]Share, len(points))
	for i, point := range points {
		share := Share{Set: p.Set(), Instance: instance, Dealt: now.UTC().Truncate(time.Second), Shares: s.Shares, Index: int(point[identitySize]), Signer: p.Signer}
		copy(share.y[:], point)
		clear(point)
		b := share.bytes()
		copy(share.signature[:], s.Key.sign(share.signed(b)))
		clear(b)
		all[i] = share
	}
	return all, nil
}

// bytes gives the share as it is signed and written. The caller wipes them.
func (s *Share) bytes() []byte {
	b := make([]byte, shareSize)
	b[0] = shareVersion
	copy(b[atSet:], s.Set[:])
	number, _ := strconv.ParseUint(s.Instance, 10, 64)
	putUint48(b[atInstance:], number)
	putUint48(b[atDealt:], uint64(s.Dealt.Unix()))
	b[atThreshold], b[atCount], b[atIndex] = byte(s.Shares.Threshold), byte(s.Shares.Count), byte(s.Index)
	copy(b[atY:], s.y[:])
	copy(b[atSigner:], s.Signer[:])
	copy(b[atSignature:], s.signature[:])
	return b
}

func (s *Share) signed(b []byte) []byte { return append([]byte(shareDomain), b[:atSignature]...) }

// parseShare reads the bytes of a share and verifies the dealer's signature.
// Cause Malformed: not one of ours or from a newer version; Tampered.
func parseShare(b []byte) (s Share, err error) {
	number, dealt := uint48(b[atInstance:]), uint48(b[atDealt:])
	s = Share{Dealt: time.Unix(int64(dealt), 0).UTC(), Shares: Shares{int(b[atThreshold]), int(b[atCount])}, Index: int(b[atIndex])}
	copy(s.Set[:], b[atSet:])
	copy(s.y[:], b[atY:])
	copy(s.Signer[:], b[atSigner:])
	copy(s.signature[:], b[atSignature:])
	s.Instance = strconv.FormatUint(number, 10)
	for len(s.Instance) < instanceDigits {
		s.Instance = "0" + s.Instance
	}
	switch {
	case b[0] > shareVersion:
		return Share{}, fault.New(fault.Malformed, "it was written by a newer version of ssovault").With("use the newer ssovault that wrote it")
	case !s.Signer.verify(s.signed(b), s.signature[:]):
		return Share{}, fault.New(fault.Tampered, "the dealer's signature does not fit: it was tampered with, or lines of different shares were mixed").
			With("leave this share out if enough others are there")
	case b[0] != shareVersion || number > largestNumber || s.Shares.Check() != nil || s.Index < 1 || s.Index > s.Shares.Count || s.Dealt.Year() > 9999:
		return Share{}, fault.New(fault.Malformed, "it is no share that ssovault writes")
	}
	return s, nil
}

// Wipe overwrites the secret part.
func (s *Share) Wipe() { clear(s.y[:]) }

func putUint48(b []byte, v uint64) {
	var eight [8]byte
	binary.BigEndian.PutUint64(eight[:], v)
	copy(b[:6], eight[2:])
}

func uint48(b []byte) uint64 {
	var eight [8]byte
	copy(eight[2:], b[:6])
	return binary.BigEndian.Uint64(eight[:])
}
