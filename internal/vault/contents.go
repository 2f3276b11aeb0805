package vault

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"

	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/recovery"
)

// Mode is how a data folder keeps its settings.
type Mode string

// The modes. sks.properties and the journal alone decide which one holds.
const (
	ModeNone   Mode = "none"   // nothing configured yet
	ModeSealed Mode = "sealed" // sealed with a key in a token
	ModeClear  Mode = "clear"  // SKS is off
)

// MaxSKS bounds sks.properties.
const MaxSKS = 64 << 10

// Contents is a data folder as it was read, with everything checked that can
// be checked without the device.
type Contents struct {
	Mode     Mode
	SKS      SKS       // sealed
	Instance encp.File // sealed
	Shared   encp.File // sealed
	Clear    Plain     // clear
	// Bound are the key store and the metadata, as the settings vouch for them
	// (sealed) or as they lie there (clear).
	Bound Bound
}

// Bound are the files beside the settings whose content the sealed settings
// vouch for: whoever swapped the IdP's certificate could sign in as anyone.
type Bound struct{ KeyStore, Metadata encp.Bound }

// BoundCheck says what a command demands of the key store and the metadata.
type BoundCheck int

const (
	// BoundMatch: if they are there, they are the ones that were configured.
	BoundMatch BoundCheck = iota
	// BoundPresent: and they are there (cause KeyStoreMissing).
	BoundPresent
	// BoundIgnored: they are about to be replaced. What is not replaced is still
	// vouched for as before, so the next start looks at it again.
	BoundIgnored
)

// Scan reads the folder and makes the checks of the manual in their order, up
// to the device. The Contents it returns beside an error are as far as it came:
// Mode is always right, and SKS is there where sks.properties is whole, whatever
// files are missing beside it.
func (f *Folder) Scan(bound BoundCheck) (*Contents, error) {
	v, err := f.view()
	if err != nil {
		return &Contents{Mode: ModeNone}, err
	}
	have, err := v.which()
	if err != nil {
		return &Contents{Mode: ModeNone}, err
	}
	c := &Contents{Mode: have.mode()}
	if have == (files{}) {
		return c, v.orRecovery(f.noConfiguration())
	}
	if err := have.check(); err != nil {
		if have.sks { // whatever else is lost, it says which token and which instance
			if s, readErr := v.sks(); readErr == nil {
				c.SKS = s
			}
		}
		return c, v.orRecovery(err)
	}
	if c.Mode == ModeSealed {
		return c, c.scanSealed(v, bound)
	}
	return c, c.scanClear(v, bound)
}

// files says which of the five are there.
type files struct{ sks, instanceEncp, sharedEncp, instanceClear, sharedClear bool }

func (v view) which() (h files, err error) {
	for name, there := range map[string]*bool{
		SKSFile: &h.sks, InstanceEncp: &h.instanceEncp, SharedEncp: &h.sharedEncp,
		InstanceClear: &h.instanceClear, SharedClear: &h.sharedClear,
	} {
		path, err := v.path(name)
		if err != nil {
			return h, err
		}
		*there = path != ""
	}
	return h, nil
}

func (h files) mode() Mode {
	switch {
	case h.sks || h.instanceEncp || h.sharedEncp:
		return ModeSealed
	case h.instanceClear || h.sharedClear:
		return ModeClear
	}
	return ModeNone
}

// check makes the checks (b), (c) and 29 on which files there are.
func (h files) check() error {
	missing := func(name, other string) error {
		return fault.New(fault.FileMissing, "data/%s is missing, data/%s is there", name, other)
	}
	switch {
	case h == files{}:
		return fault.New(fault.NoConfiguration, "data/ holds no configuration")
	case !h.sks && (h.instanceEncp || h.sharedEncp):
		return fault.New(fault.NoConfiguration, "data/ holds sealed files, but no %s that says which key opens them", SKSFile)
	case h.sks && !h.instanceEncp && !h.sharedEncp:
		return fault.New(fault.FileMissing, "data/%s and data/%s are missing", InstanceEncp, SharedEncp)
	case h.sks && !h.instanceEncp:
		return missing(InstanceEncp, SharedEncp)
	case h.sks && !h.sharedEncp:
		return missing(SharedEncp, InstanceEncp)
	case h.sks && (h.instanceClear || h.sharedClear):
		return fault.New(fault.MixedConfiguration, "data/ holds clear property files beside sealed ones; they are not read").
			With("if an administrator put them there, take them away; the sealed files are the configuration")
	case !h.sks && !h.instanceClear:
		return missing(InstanceClear, SharedClear)
	case !h.sks && !h.sharedClear:
		return missing(SharedClear, InstanceClear)
	}
	return nil
}

// orRecovery adds to the hint of an error that says that files are missing, or the
// HSM, the way back that is there.
func (v view) orRecovery(err error) error {
	cause, where := fault.Of(err), ""
	switch cause {
	case fault.NoConfiguration, fault.FileMissing:
	case fault.Unreachable:
		where = "where the HSM is gone for good, "
	default:
		return err
	}
	if b, readErr := v.read(RecoveryFile, recovery.MaxFile); readErr != nil || !recovery.Begins(b) {
		return err
	}
	return fault.Wrap(cause, err, "").(*fault.Error).
		With(fault.HintFor(err) + "; or " + where + "bring the settings back from data/" + RecoveryFile + " with 'ssovault recovery open'")
}

// OrRecovery adds to the hint of an error that says that the HSM cannot be reached
// the way back without it, where data/ has one. It gives every other error as it is.
func (f *Folder) OrRecovery(err error) error {
	if fault.Of(err) != fault.Unreachable {
		return err
	}
	v, viewErr := f.view()
	if viewErr != nil {
		return err
	}
	return v.orRecovery(err)
}

// scanSealed reads a sealed folder, and checks 16, 28, 26, 25, 29, 26, 24.
func (c *Contents) scanSealed(v view, bound BoundCheck) error {
	var problems [3]error
	c.SKS, problems[0] = v.sks()
	c.Shared, problems[1] = v.sealed(SharedEncp)
	c.Instance, problems[2] = v.sealed(InstanceEncp)
	c.Bound = Bound{c.Shared.KeyStore, c.Shared.Metadata}
	if bound == BoundPresent && problems[1] == nil {
		if err := c.Bound.present(v); err != nil {
			return err
		}
	}
	if err := firstOf(problems[:], fault.Malformed); err != nil {
		return err
	}
	if err := firstOf(problems[:], fault.Tampered); err != nil {
		return err
	}
	if err := errors.Join(problems[:]...); err != nil {
		return err
	}
	if err := c.checkBelonging(); err != nil {
		return err
	}
	if bound != BoundIgnored {
		if err := c.Bound.match(v); err != nil {
			return err
		}
	}
	return c.checkKey()
}

// sks reads sks.properties.
func (v view) sks() (SKS, error) {
	b, err := v.read(SKSFile, MaxSKS)
	if err != nil {
		return SKS{}, fault.Wrap(fault.Malformed, err, "read data/%s", SKSFile)
	}
	s, err := parseSKS(b)
	return s, fault.Wrap(fault.Malformed, err, "read data/%s", SKSFile)
}

// sealed reads one sealed file.
func (v view) sealed(name string) (encp.File, error) {
	b, err := v.read(name, encp.MaxFile)
	if err != nil {
		return encp.File{}, unreadable(err, name)
	}
	f, err := encp.Parse(b)
	return f, fault.Wrap(fault.Malformed, err, "data/%s", name)
}

// unreadable says of a file that it went missing, or that the disk is sick.
func unreadable(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.FileMissing, err, "read data/%s", name)
	}
	return &fault.Error{Op: "read data/" + name, Cause: fault.Of(err), Err: err, Advice: adviceFor(err)}
}

func adviceFor(err error) string {
	if fault.Of(err) != fault.Unclassified {
		return fault.HintFor(err)
	}
	return "the file is there and cannot be read: look at the disk (dmesg)"
}

// firstOf gives the first error of that cause.
func firstOf(errs []error, c fault.Cause) error {
	for _, err := range errs {
		if fault.Of(err) == c {
			return err
		}
	}
	return nil
}

// checkBelonging makes sure that the two files are this instance's and of one
// save.
func (c *Contents) checkBelonging() error {
	switch {
	case c.Instance.File == encp.Shared && c.Shared.File == encp.Instance:
		return fault.New(fault.WrongInstance, "data/%s and data/%s are swapped", InstanceEncp, SharedEncp)
	case c.Instance.File != encp.Instance:
		return fault.New(fault.WrongInstance, "data/%s holds the %s file", InstanceEncp, c.Instance.File)
	case c.Shared.File != encp.Shared:
		return fault.New(fault.WrongInstance, "data/%s holds the %s file", SharedEncp, c.Shared.File)
	}
	for name, of := range map[string]string{InstanceEncp: c.Instance.Header.Instance, SharedEncp: c.Shared.Header.Instance} {
		if of != c.SKS.Instance {
			return fault.New(fault.WrongInstance, "data/%s belongs to instance %s, this is %s", name, of, c.SKS.Instance)
		}
	}
	if c.Instance.SaveID != c.Shared.SaveID || c.Instance.Generation != c.Shared.Generation {
		return fault.New(fault.MixedConfiguration, "data/%s is of generation %d and data/%s of %d: they were not saved together",
			InstanceEncp, c.Instance.Generation, SharedEncp, c.Shared.Generation)
	}
	return nil
}

// checkKey makes sure that sks.properties and both headers name one key. Which of
// them is right no device can tell that has never had the other.
func (c *Contents) checkKey() error {
	if c.Instance.KeyID == c.SKS.KeyID && c.Shared.KeyID == c.SKS.KeyID {
		return nil
	}
	e := fault.New(fault.WrongKey, "data/%s names the key of id %s, but the key that sealed data/%s has the id %s, and the one of data/%s %s",
		SKSFile, c.SKS.KeyID, InstanceEncp, c.Instance.KeyID, SharedEncp, c.Shared.KeyID).
		Because("the files in data/ do not name one key")
	if c.Instance.KeyID != c.Shared.KeyID {
		return e.With("a header was altered: restore data/ as a whole from one backup")
	}
	return e.With("was one of them altered, or put in from elsewhere? Restore data/ as a whole from one backup; " +
		"where only data/" + SKSFile + " was edited, sks.key.id=" + c.Shared.KeyID.String() + " puts it right")
}

// scanClear reads a folder with SKS off.
func (c *Contents) scanClear(v view, bound BoundCheck) error {
	var err error
	if c.Clear.Instance, err = v.read(InstanceClear, encp.MaxPlaintext); err != nil {
		return unreadable(err, InstanceClear)
	}
	if c.Clear.Shared, err = v.read(SharedClear, encp.MaxPlaintext); err != nil {
		return unreadable(err, SharedClear)
	}
	shared, err := properties.Parse(c.Clear.Shared)
	if err != nil {
		return fault.Wrap(fault.Malformed, err, "data/%s", SharedClear)
	}
	if _, err := properties.Parse(c.Clear.Instance); err != nil {
		return fault.Wrap(fault.Malformed, err, "data/%s", InstanceClear)
	}
	for key, b := range map[string]*encp.Bound{"ssl_file": &c.Bound.KeyStore, "saml_file": &c.Bound.Metadata} {
		name, _ := shared.Get(key)
		if !isBoundName(name) {
			continue // an administrator's own path: not ours to look after
		}
		b.Name = name
		content, err := v.read(name, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if bound == BoundPresent {
				return missingBound(name)
			}
			*b = encp.Bound{}
		case err != nil:
			return err
		default:
			b.SHA256 = sha256.Sum256(content)
		}
	}
	return nil
}

func isBoundName(name string) bool {
	return name == KeyStoreFile || name == KeyStorePEM || name == MetadataFile
}

func missingBound(name string) error {
	return fault.New(fault.KeyStoreMissing, "data/%s was configured and is missing", name)
}

func (b Bound) all() []encp.Bound { return []encp.Bound{b.KeyStore, b.Metadata} }

// present answers KeyStoreMissing when a bound file is not there.
func (b Bound) present(v view) error {
	for _, one := range b.all() {
		if one.Name == "" {
			continue
		}
		path, err := v.path(one.Name)
		if err != nil {
			return err
		}
		if path == "" {
			return missingBound(one.Name)
		}
	}
	return nil
}

// adviceBound is the remedy for a bound file that has another content.
func adviceBound(name string) string {
	setting := "ssl_file"
	if name == MetadataFile {
		setting = "saml_file"
	}
	return fmt.Sprintf("put data/%[1]s back as it was, from a backup of data/ ('ssovault restore' brings back the whole folder), "+
		"or take in the one that is meant with 'ssovault set %[2]s=FILE'", name, setting)
}

// match answers Tampered when a bound file that is there has another content.
func (b Bound) match(v view) error {
	for _, one := range b.all() {
		if one.Name == "" {
			continue
		}
		content, err := v.read(one.Name, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(content); subtle.ConstantTimeCompare(sum[:], one.SHA256[:]) != 1 {
			return fault.New(fault.Tampered, "data/%s is not the file that was configured", one.Name).With(adviceBound(one.Name))
		}
	}
	return nil
}
