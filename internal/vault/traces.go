package vault

import (
	"crypto/sha256"
	"encoding/hex"

	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/recovery"
)

// Traces are what a data folder tells of its past although nothing opens it any
// more.
type Traces struct {
	// Instance is whose files they are, "" when nothing says so.
	Instance string
	// Newest is the newest sealed file's header; of generation 0 when none
	// reads.
	Newest encp.Header
	// SKS is sks.properties, nil when it does not read.
	SKS *SKS
	// Mode is how the settings lie there.
	Mode Mode
}

// Traces reads what can be read. It fails for nothing that lies in data/.
func (f *Folder) Traces() Traces {
	t := Traces{Mode: ModeNone}
	v, err := f.view()
	if err != nil {
		v = view{f.Layout, f.Data(""), nil} // beyond finishing: what lies there
	}
	if have, err := v.which(); err == nil {
		t.Mode = have.mode()
	}
	for _, name := range []string{InstanceEncp, SharedEncp} {
		if file, err := v.sealed(name); err == nil && file.Generation > t.Newest.Generation {
			t.Newest, t.Instance = file.Header, file.Header.Instance
		}
	}
	if s, err := v.sks(); err == nil {
		t.SKS = &s
		if t.Instance == "" {
			t.Instance = s.Instance
		}
	}
	if b, err := v.read(InstanceClear, encp.MaxPlaintext); err == nil && t.Instance == "" {
		if set, err := properties.Parse(b); err == nil {
			t.Instance, _ = set.Get("instance_number")
		}
		clear(b)
	}
	return t
}

// CheckBound holds the bound files in data/ against what recovered settings
// vouch for. It names those that are missing; cause Tampered for one that has
// another content.
func (f *Folder) CheckBound(b Bound) (missing []string, err error) {
	v, err := f.view()
	if err != nil {
		v = view{f.Layout, f.Data(""), nil}
	}
	if err := b.match(v); err != nil {
		return nil, err
	}
	for _, one := range b.all() {
		if one.Name == "" {
			continue
		}
		path, err := v.path(one.Name)
		if err != nil {
			return nil, err
		}
		if path == "" {
			missing = append(missing, one.Name)
		}
	}
	return missing, nil
}

// Same tells whether nothing has changed between two looks.
func (t Traces) Same(o Traces) bool {
	sameSKS := t.SKS == nil && o.SKS == nil || t.SKS != nil && o.SKS != nil && t.SKS.SameText(*o.SKS)
	return t.Mode == o.Mode && t.Instance == o.Instance && t.Newest == o.Newest && sameSKS
}

// BoundOf gives the bound files that a recovery file names. Cause Malformed for
// one that no settings are bound to.
func BoundOf(all []recovery.Digest) (b Bound, err error) {
	for _, d := range all {
		to := &b.KeyStore
		if d.Name == MetadataFile {
			to = &b.Metadata
		}
		sum, err := hex.DecodeString(d.SHA256)
		if err != nil || len(sum) != sha256.Size || !isBoundName(d.Name) || to.Name != "" {
			return Bound{}, fault.New(fault.Malformed, "the recovery file names %q as a file beside the settings", d.Name)
		}
		to.Name = d.Name
		copy(to.SHA256[:], sum)
	}
	return b, nil
}
