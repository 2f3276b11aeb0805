package sks

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"ssovault/internal/fault"
)

// A Proof is a box of a known text, made with the sealing key when it was new.
// Whether it opens tells a wrong key from altered files, where the device's
// return codes do not.
type Proof struct {
	IV  IVConvention
	Box []byte
}

// proofText is what every proof holds, and proofAAD what it is bound to.
var (
	proofText = []byte("ssovault key proof 1")
	proofAAD  = []byte("ssovault key proof")
)

// maxProof bounds the text form of a proof: 20 bytes, IV and tag in base64.
const maxProof = 256

// String gives the proof as sks.properties holds it: the convention, a colon,
// the box in base64.
func (p Proof) String() string {
	if p.Box == nil {
		return ""
	}
	return p.IV.String() + ":" + base64.StdEncoding.EncodeToString(p.Box)
}

// ParseProof reads what String wrote. The empty string is the missing proof.
func ParseProof(s string) (p Proof, err error) {
	if s == "" {
		return Proof{}, nil
	}
	if len(s) > maxProof {
		return Proof{}, errors.New("key proof: too long")
	}
	word, box, ok := strings.Cut(s, ":")
	if !ok {
		return Proof{}, errors.New("key proof: no colon")
	}
	if p.IV, err = ParseIVConvention(word); err != nil {
		return Proof{}, fmt.Errorf("key proof: %w", err)
	}
	if p.Box, err = base64.StdEncoding.Strict().DecodeString(box); err != nil {
		return Proof{}, fmt.Errorf("key proof: %w", err)
	}
	if len(p.Box) != len(proofText)+p.IV.Overhead() {
		return Proof{}, fmt.Errorf("key proof: %d bytes", len(p.Box))
	}
	return p, nil
}

// Prove makes the proof of a key.
func Prove(ctx context.Context, s Sealer) (Proof, error) {
	iv, err := s.Convention(ctx)
	if err != nil {
		return Proof{}, err
	}
	box, err := s.Seal(ctx, proofText, proofAAD)
	if err != nil {
		return Proof{}, err
	}
	return Proof{IV: iv, Box: box}, nil
}

// Check opens the proof with s. It answers ErrRefused when the key is not the
// one that made it, or the device is sick.
func (p Proof) Check(ctx context.Context, s Sealer) error {
	text, err := s.Open(ctx, p.IV, p.Box, proofAAD)
	if err != nil {
		return err
	}
	if !bytes.Equal(text, proofText) {
		return ErrRefused
	}
	return nil
}

// Verdict tells why s refused to open subject: it opens the proof, seals and
// opens something fresh, and opens the proof again. The answer is an error of
// cause Tampered, WrongKey, NoGCM, Unreachable or Interrupted.
func Verdict(ctx context.Context, s Sealer, p Proof, subject string, refusal error) error {
	if !errors.Is(refusal, ErrRefused) {
		return refusal
	}
	found := verdict(ctx, s, p, subject, refusal)
	if err := ctx.Err(); err != nil { // what failed at the end of ctx proves nothing
		return fault.Wrap(fault.Interrupted, err, "open %s", subject)
	}
	return found
}

func verdict(ctx context.Context, s Sealer, p Proof, subject string, refusal error) error {
	var first, second error
	if p.Box != nil {
		first = p.Check(ctx, s)
		if fault.Of(first) == fault.Unreachable {
			return fault.Wrap(fault.Unreachable, first, "open %s", subject)
		}
	}
	if err := freshRound(ctx, s); err != nil {
		c := fault.Unreachable // sick: it fails at its own work
		if fault.Of(err) == fault.NoGCM {
			c = fault.NoGCM
		}
		return &fault.Error{Op: "open " + subject + ": the HSM also fails at something fresh", Cause: c, Err: err}
	}
	if p.Box == nil {
		return &fault.Error{Op: "open " + subject, Cause: fault.Tampered, Err: refusal,
			Advice: "sks.properties holds no key proof, so an altered file (26) and another key (24) cannot be told apart: compare the key's check value, or restore both property files from one backup"}
	}
	second = p.Check(ctx, s)
	switch {
	case first == nil && second == nil:
		return &fault.Error{Op: "open " + subject, Cause: fault.Tampered, Err: errors.New("the key is the right one and works, so the file was altered")}
	case first != nil && second != nil:
		return &fault.Error{Op: "open " + subject, Cause: fault.WrongKey, Err: errors.New("the HSM works, but its key does not open the key proof either")}
	}
	return &fault.Error{Op: "open " + subject, Cause: fault.Unreachable, Err: errors.New("the HSM opens the key proof at one time and not at another")}
}

// freshRound seals and opens 32 random bytes.
func freshRound(ctx context.Context, s Sealer) error {
	want := make([]byte, 32)
	_, _ = rand.Read(want)
	iv, err := s.Convention(ctx)
	if err != nil {
		return err
	}
	box, err := s.Seal(ctx, want, proofAAD)
	if err != nil {
		return err
	}
	got, err := s.Open(ctx, iv, box, proofAAD)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("the HSM gave other bytes than were sealed")
	}
	return nil
}
