package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"ssovault/internal/pin"
	"ssovault/internal/properties"
	"ssovault/internal/sks"
)

// SKS is data/sks.properties: which key in which token seals the files, and
// where the PIN comes from. It is readable, holds no secret, and is checked
// against the sealed headers and the token at every use.
type SKS struct {
	Type     string // name of the vendor, as in the dialog
	Library  string // absolute path
	Label    string // of the token
	Serial   string // of the token
	Role     sks.Role
	Instance string // the instance number that the sealed files must carry
	KeyLabel string
	KeyID    sks.KeyID
	Proof    sks.Proof
	PIN      pin.Source
	// RefuseRollback makes files older than the token remembers an error.
	RefuseRollback bool
	Timeouts       sks.Timeouts
	// Recovery is who else can open the files; nil: nobody.
	Recovery *RecoveryRecord

	// text keeps an administrator's comments and keys that we do not know.
	text *properties.Set
}

// The keys of sks.properties.
const (
	keyVersion  = "sks.version"
	keyType     = "sks.type"
	keyLibrary  = "sks.library"
	keyLabel    = "sks.token.label"
	keySerial   = "sks.token.serial"
	keyRole     = "sks.role"
	keyInstance = "sks.instance"
	keyKeyLabel = "sks.key.label"
	keyKeyID    = "sks.key.id"
	keyProof    = "sks.key.proof"
	keyPIN      = "sks.pin"
	keyRollback = "rollback"
	keyQuestion = "sks.timeout.question"
	keyUse      = "sks.timeout.use"
	keyMake     = "sks.timeout.make"
)

const sksVersion = "1"

// sksPreamble heads a new sks.properties.
const sksPreamble = `# Secure key storage of this ssovault instance. It holds no PIN and no key.
# sks.pin says where the service gets the PIN: file, file:PATH, credential:NAME,
# command:CMD ARGS, env:NAME, fd:N or prompt.
# sks.role=cu lets the service log in as a Crypto User. rollback=refuse refuses
# files older than the HSM remembers. sks.timeout.question, .use and .make are
# the deadlines of one call to the HSM (10s, 30s, 180s).
`

// parseSKS reads sks.properties.
func parseSKS(b []byte) (SKS, error) {
	set, err := properties.Parse(b)
	if err != nil {
		return SKS{}, err
	}
	var problems []error
	get := func(key string) string { v, _ := set.Get(key); return v }
	need := func(key string) string {
		v := get(key)
		if v == "" {
			problems = append(problems, fmt.Errorf("%s is missing", key))
		}
		return v
	}
	check := func(key string, err error) {
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	if v := need(keyVersion); v != "" && v != sksVersion {
		return SKS{}, fmt.Errorf("%s=%s: written by a newer version of ssovault", keyVersion, v)
	}
	s := SKS{
		Type: need(keyType), Library: need(keyLibrary), Label: get(keyLabel), Serial: need(keySerial),
		Role: sks.Role(get(keyRole)), Instance: need(keyInstance), KeyLabel: need(keyKeyLabel),
		Timeouts: sks.DefaultTimeouts, text: set,
	}
	if s.Library != "" && !filepath.IsAbs(s.Library) {
		check(keyLibrary, errors.New("not an absolute path"))
	}
	switch s.Role {
	case "":
		s.Role = sks.RoleUser
	case sks.RoleUser, sks.RoleCryptoUser:
	default:
		check(keyRole, fmt.Errorf("%q is neither user nor cu", s.Role))
	}
	if v := need(keyKeyID); v != "" {
		s.KeyID, err = sks.ParseKeyID(v)
		check(keyKeyID, err)
	}
	s.Proof, err = sks.ParseProof(get(keyProof))
	check(keyProof, err)
	if v := need(keyPIN); v != "" {
		s.PIN, err = pin.ParseSource(v)
		check(keyPIN, err)
	}
	switch v := get(keyRollback); v {
	case "", "warn":
	case "refuse":
		s.RefuseRollback = true
	default:
		check(keyRollback, fmt.Errorf("%q is neither warn nor refuse", v))
	}
	for key, d := range map[string]*time.Duration{keyQuestion: &s.Timeouts.Question, keyUse: &s.Timeouts.Use, keyMake: &s.Timeouts.Make} {
		v := get(key)
		if v == "" {
			continue
		}
		n, err := time.ParseDuration(v)
		if err == nil && (n < 100*time.Millisecond || n > time.Hour) {
			err = errors.New("not between 100ms and 1h")
		}
		check(key, err)
		*d = n
	}
	s.Recovery, err = parseRecoveryRecord(set)
	problems = append(problems, err)
	return s, errors.Join(problems...)
}

// encode writes sks.properties, keeping what an administrator added.
func (s SKS) encode() ([]byte, error) {
	set := s.text
	if set == nil {
		var err error
		if set, err = properties.Parse([]byte(sksPreamble)); err != nil {
			return nil, err
		}
	} else {
		set = set.Clone()
	}
	if s.RefuseRollback {
		if err := set.Set(keyRollback, "refuse"); err != nil {
			return nil, fmt.Errorf("%s: %w", keyRollback, err)
		}
	}
	values := [][2]string{
		{keyVersion, sksVersion}, {keyType, s.Type}, {keyLibrary, s.Library},
		{keyLabel, s.Label}, {keySerial, s.Serial}, {keyRole, string(s.Role)},
		{keyInstance, s.Instance}, {keyKeyLabel, s.KeyLabel}, {keyKeyID, s.KeyID.String()},
		{keyProof, s.Proof.String()}, {keyPIN, s.PIN.String()},
	}
	for _, kv := range values {
		if had, ok := set.Get(kv[0]); ok && had == kv[1] {
			continue
		}
		if err := set.Set(kv[0], kv[1]); err != nil {
			return nil, fmt.Errorf("%s: %w", kv[0], err)
		}
	}
	if err := s.Recovery.write(set); err != nil {
		return nil, err
	}
	return set.Encode(), nil
}

// SameText tells whether both were read from the same sks.properties.
func (s SKS) SameText(o SKS) bool {
	if s.text == nil || o.text == nil {
		return s.text == o.text
	}
	return bytes.Equal(s.text.Encode(), o.text.Encode())
}

// ReachedAs gives s with the way in of another configuration of the same
// token: the library that runs, the role, where the PIN comes from. What
// refuses a rollback goes on doing so.
func (s SKS) ReachedAs(other SKS) SKS {
	s.Type, s.Library, s.Role, s.PIN = other.Type, other.Library, other.Role, other.PIN
	s.RefuseRollback = s.RefuseRollback || other.RefuseRollback
	return s
}

// SameWayIn tells whether ReachedAs would change nothing.
func (s SKS) SameWayIn(other SKS) bool {
	return s.Type == other.Type && s.Library == other.Library && s.Role == other.Role && s.PIN == other.PIN &&
		(s.RefuseRollback || !other.RefuseRollback)
}

// Text gives s as sks.properties.
func (s SKS) Text() ([]byte, error) { return s.encode() }

// Access says how to reach the token. Unattended is for the caller to set.
func (s SKS) Access() sks.Access {
	return sks.Access{
		Library: s.Library, Serial: s.Serial, Label: s.Label, Role: s.Role,
		Serialise: sks.VendorNamed(s.Type).Serialise, Timeouts: s.Timeouts,
	}
}

// WithoutKey gives s for a key that is still to be made, perhaps in another
// token: comments, deadlines, and what refuses a rollback stay.
func (s SKS) WithoutKey() SKS {
	s.KeyID, s.KeyLabel, s.Proof = sks.KeyID{}, "", sks.Proof{}
	return s
}

// Readable gives the content of a file of ours that holds no secret and no
// binary, as inspect shows it: sks.properties, a journal, the state in run/.
func Readable(path string, b []byte) ([]byte, bool) {
	switch filepath.Base(path) {
	case SKSFile:
		_, err := parseSKS(b)
		return b, err == nil
	case journalFile, filepath.Base(pendingEntry), filepath.Base(dealtEntry), "pin-refused", pinOwnerFile, "pin-change.json", "last-failure.json", "backups.json":
		return b, json.Valid(b)
	}
	return nil, false
}
