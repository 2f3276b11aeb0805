package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/recovery"
	"ssovault/internal/sks"
)

// RecoveryRecord is what sks.properties says of the second way to the settings,
// for whoever looks without PIN and HSM. What counts is in the sealed settings.
type RecoveryRecord struct {
	recovery.Public
	// SHA256 of data/recovery.age, in hexadecimal: whether it is of this save.
	SHA256 string
}

// The keys of it in sks.properties.
const (
	keyRecoveryTo     = "recovery.recipient"
	keyRecoverySigner = "recovery.signer"
	keyRecoveryShares = "recovery.shares"
	keyRecoveryDigest = "recovery.sha256"
)

// secondWay makes the recovery file of a save whose settings name a recipient,
// else nil, and lets sks.properties say so.
func (s *Save) secondWay(mark sks.Mark, plain Plain) ([]byte, error) {
	setup, err := recovery.Read(s.Settings.Instance)
	if err != nil {
		return nil, err
	}
	if s.SKS != nil {
		own := *s.SKS // the caller's stays what it read
		own.Recovery, s.SKS = nil, &own
	}
	if setup == nil {
		return nil, nil
	}
	defer setup.Key.Wipe()
	of := recovery.Save{
		Instance: s.Settings.InstanceNumber(), SaveID: mark.SaveID, Time: s.Now,
		InstanceText: plain.Instance, SharedText: plain.Shared,
	}
	if s.SKS != nil {
		of.Generation = mark.Generation // in the clear nothing counts them
	}
	for _, b := range s.Settings.Bound.all() {
		if b.Name != "" {
			of.Bound = append(of.Bound, recovery.Digest{Name: b.Name, SHA256: hex.EncodeToString(b.SHA256[:])})
		}
	}
	file, err := setup.Seal(of)
	if err != nil {
		return nil, fault.Wrap(fault.Unclassified, err, "make data/%s", RecoveryFile)
	}
	if s.SKS != nil {
		s.SKS.Recovery = &RecoveryRecord{setup.Public(), hexDigest(file)}
	}
	return file, nil
}

// keepStray keeps a recovery file that the save removes although nobody asked
// for it: somebody may have put it there alone, to open it, and then configured
// the folder. One that lies in a kept folder is kept already.
func (f *Folder) keepStray(s Save) error {
	there, err := durable.Exists(f.Data(RecoveryFile))
	if err != nil || !there || s.DropRecovery {
		return err
	}
	copies, err := filepath.Glob(f.Data("") + string(BeforeConfig) + "*/" + RecoveryFile)
	if err != nil {
		return err
	}
	for _, path := range copies {
		if same, err := sameContent(path, f.Data(RecoveryFile)); err != nil || same {
			return err
		}
	}
	kept, err := f.makeKept("data"+string(BeforeConfig), s.Now)
	if err != nil {
		return err
	}
	if err := keep(f.Data(RecoveryFile), filepath.Join(kept, RecoveryFile)); err != nil {
		return err
	}
	return durable.SyncFolder(kept)
}

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// parseRecoveryRecord reads it from sks.properties; nil when it has none.
func parseRecoveryRecord(set *properties.Set) (*RecoveryRecord, error) {
	get := func(key string) string { v, _ := set.Get(key); return v }
	r := &RecoveryRecord{SHA256: get(keyRecoveryDigest)}
	r.Recipient = get(keyRecoveryTo)
	if r.Recipient == "" && r.SHA256 == "" {
		return nil, nil
	}
	if _, err := recovery.ParseRecipient(r.Recipient); err != nil {
		return nil, fmt.Errorf("%s: %w", keyRecoveryTo, err)
	}
	var err error
	if r.Signer, err = recovery.ParseSigner(get(keyRecoverySigner)); err != nil {
		return nil, fmt.Errorf("%s: %w", keyRecoverySigner, err)
	}
	if r.Shares, err = recovery.ParseShares(get(keyRecoveryShares)); err != nil {
		return nil, fmt.Errorf("%s: %w", keyRecoveryShares, err)
	}
	if len(r.SHA256) != 2*sha256.Size || strings.Trim(r.SHA256, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("%s: not 64 lower-case hexadecimal digits", keyRecoveryDigest)
	}
	return r, nil
}

// write puts r into sks.properties, or takes what was there out.
func (r *RecoveryRecord) write(set *properties.Set) error {
	values := map[string]string{keyRecoveryTo: "", keyRecoverySigner: "", keyRecoveryShares: "", keyRecoveryDigest: ""}
	if r != nil {
		values[keyRecoveryTo], values[keyRecoverySigner] = r.Recipient, r.Signer.String()
		values[keyRecoveryShares], values[keyRecoveryDigest] = r.Shares.String(), r.SHA256
	}
	for _, key := range []string{keyRecoveryTo, keyRecoverySigner, keyRecoveryShares, keyRecoveryDigest} {
		if values[key] == "" {
			set.Unset(key)
		} else if err := set.Set(key, values[key]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// RecoveryState is how data/recovery.age stands beside the settings.
type RecoveryState string

// The states.
const (
	RecoveryOff     RecoveryState = "off"     // nobody but the HSM
	RecoveryCurrent RecoveryState = "current" // of the present save
	RecoveryOther   RecoveryState = "other"   // there, but damaged or of another save
	RecoveryMissing RecoveryState = "missing"
	RecoveryThere   RecoveryState = "there"   // in the clear nothing vouches for it
	RecoveryUnknown RecoveryState = "unknown" // there, but not the file that says for whom
)

// Recovery says who can open the settings without the HSM, as far as that can
// be told without PIN and HSM, and how the file stands. The Contents are those
// of Scan.
func (f *Folder) Recovery(c *Contents) (*recovery.Public, RecoveryState, error) {
	found := ""
	b, readErr := f.ReadRecovery()
	if readErr == nil {
		found = hexDigest(b)
	}
	who, state, err := c.Recovery(found)
	if lost := c.Mode == ModeSealed && (c.Instance.SaveID == "" || c.Shared.SaveID == ""); lost && (state == RecoveryOther || state == RecoveryMissing) {
		who, state = nil, RecoveryUnknown // no save will make the file anew; one of another save may still help
	}
	if state == RecoveryUnknown && !recovery.Begins(b) {
		state = RecoveryOff
	}
	if err == nil && who != nil && readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		err = readErr
	}
	return who, state, err
}

// Recovery says who can open the settings without the HSM, and how a recovery
// file with that SHA-256, in hexadecimal, stands beside them; "" is for none.
func (c *Contents) Recovery(found string) (*recovery.Public, RecoveryState, error) {
	var who *recovery.Public
	digest := ""
	switch {
	case c.Mode == ModeSealed && c.SKS.Recovery != nil:
		who, digest = &c.SKS.Recovery.Public, c.SKS.Recovery.SHA256
	case c.Mode == ModeClear:
		set, err := properties.Parse(c.Clear.Instance)
		if err != nil {
			return nil, RecoveryOff, err
		}
		setup, err := recovery.Read(set)
		if err != nil {
			return nil, RecoveryOff, err
		}
		if setup != nil {
			public := setup.Public()
			setup.Key.Wipe()
			who = &public
		}
	}
	switch {
	case who == nil && found != "" && c.Mode != ModeClear && c.SKS.Instance == "":
		return nil, RecoveryUnknown, nil
	case who == nil:
		return nil, RecoveryOff, nil
	case found == "":
		return who, RecoveryMissing, nil
	case digest == "":
		return who, RecoveryThere, nil
	case found == digest:
		return who, RecoveryCurrent, nil
	}
	return who, RecoveryOther, nil
}

// ReadRecovery gives data/recovery.age of the last whole save; fs.ErrNotExist
// when there is none.
func (f *Folder) ReadRecovery() ([]byte, error) {
	v, err := f.view()
	if err != nil {
		return nil, err
	}
	return v.read(RecoveryFile, recovery.MaxFile)
}

// WithoutRecovery gives the settings less what only recovery is made with: the
// service has no need of a key that signs recovery files. It leaves p alone
// where it holds none.
func (p Plain) WithoutRecovery() (Plain, error) {
	if !bytes.Contains(p.Instance, []byte("recovery")) {
		return p, nil // and it need not be parsed at each start
	}
	set, err := properties.Parse(p.Instance)
	if err != nil {
		return p, fault.Wrap(fault.Malformed, err, "the instance properties")
	}
	if !recovery.Remove(set) {
		return p, nil
	}
	clear(p.Instance)
	p.Instance = set.Encode()
	return p, nil
}
