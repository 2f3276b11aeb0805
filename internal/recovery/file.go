package recovery

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"filippo.io/age"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
)

// Limits, checked before anything is allocated for what a file claims.
const (
	maxPlain = 2*properties.MaxSize + maxManifest + 16<<10 // both files, and what tar adds
	// MaxFile bounds a recovery file: age adds 16 bytes to each 64 KiB, and a header.
	MaxFile = maxPlain + maxPlain/(64<<10)*16 + 64<<10
)

// signatureDomain begins what is signed, so that no signature of the key means
// anything else.
const signatureDomain = "ssovault recovery file 1\n"

// magic begins every binary age file.
const magic = "age-encryption.org/v1\n"

// Begins tells whether it begins as a recovery file does; what follows only its
// identity tells.
func Begins(b []byte) bool { return bytes.HasPrefix(b, []byte(magic)) }

// Save is the save that a recovery file is of.
type Save struct {
	Instance   string
	Generation uint64
	SaveID     string
	Time       time.Time
	Bound      []Digest
	// InstanceText and SharedText are both property files.
	InstanceText, SharedText []byte
}

// Seal makes the recovery file of a save: signed, then encrypted. The errors
// are those of a save that cannot be written down.
func (s Setup) Seal(save Save) ([]byte, error) {
	to, err := ParseRecipient(s.Recipient)
	if err != nil {
		return nil, err
	}
	m := Manifest{
		Version: Version, Program: "ssovault", Instance: save.Instance, Generation: save.Generation, SaveID: save.SaveID,
		Time: save.Time.UTC().Truncate(time.Second), Recipient: s.Recipient, Signer: s.Key.Signer().String(),
		Files: []Digest{digestOf(instanceName, save.InstanceText), digestOf(sharedName, save.SharedText)}, Bound: save.Bound,
	}
	if m.Bound == nil {
		m.Bound = []Digest{}
	}
	manifest, err := m.encode()
	if err != nil {
		return nil, err
	}
	signature := base64.StdEncoding.EncodeToString(s.Key.sign(signed(manifest))) + "\n"
	plain, err := pack(m.Time, manifest, save.InstanceText, save.SharedText, []byte(signature))
	if err != nil {
		return nil, err
	}
	defer secret.Wipe(plain)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

func digestOf(name string, content []byte) Digest {
	sum := sha256.Sum256(content)
	return Digest{name, hex.EncodeToString(sum[:])}
}

// signed is the message under the signature: a few lines that openssl can be
// given too.
func signed(manifest []byte) []byte {
	sum := sha256.Sum256(manifest)
	return []byte(signatureDomain + hex.EncodeToString(sum[:]) + "\n")
}

// pack writes the tar: four plain files, every field fixed by the manifest.
func pack(at time.Time, manifest, instance, shared, signature []byte) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, len(manifest)+len(instance)+len(shared)+len(signature)+8<<10)) // one array, so that one Wipe reaches all
	w := tar.NewWriter(b)
	for _, f := range []struct {
		name    string
		content []byte
	}{{manifestName, manifest}, {instanceName, instance}, {sharedName, shared}, {signatureName, signature}} {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o600, Size: int64(len(f.content)), ModTime: at, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// Opened is a recovery file that was decrypted. What it says of itself may be
// shown; the settings in it are given out by Trust alone.
type Opened struct {
	Manifest  Manifest
	Signer    Signer // whose signature it claims to bear
	signed    []byte
	signature []byte
	instance  []byte
	shared    []byte
}

// Open decrypts and reads a recovery file. Cause Malformed for what ssovault
// would not have written, Tampered for what is damaged, Usage when the identity
// does not open it.
func Open(b []byte, id Identity) (*Opened, error) {
	switch {
	case len(b) > MaxFile:
		return nil, refused("%d bytes are more than it may have", len(b))
	case len(b) < len(magic) && bytes.HasPrefix([]byte(magic), b):
		return nil, damaged(io.ErrUnexpectedEOF, "its beginning")
	case !bytes.HasPrefix(b, []byte(magic)):
		return nil, refused("it is no age file")
	}
	r, err := age.Decrypt(bytes.NewReader(b), id.all...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, fault.New(fault.Usage, "this identity does not open the recovery file").
			With("it is encrypted to somebody else, or damaged at its beginning; 'ssovault recovery status' says to whom")
	case err != nil:
		return nil, damaged(err, "its age header")
	}
	// Never longer than what it was encrypted to: one array, so that one Wipe
	// reaches all.
	buf := bytes.NewBuffer(make([]byte, 0, len(b)+bytes.MinRead))
	_, err = io.Copy(buf, io.LimitReader(r, maxPlain+1))
	defer func() { secret.Wipe(buf.Bytes()) }()
	if err != nil {
		return nil, damaged(err, "what is encrypted")
	}
	return parse(buf.Bytes())
}

// parse reads what was decrypted, strictly: it must be, to the byte, what pack
// makes of its parts.
func parse(plain []byte) (*Opened, error) {
	if len(plain) > maxPlain {
		return nil, refused("what is encrypted has more than %d bytes", maxPlain)
	}
	var parts [4][]byte
	r := tar.NewReader(bytes.NewReader(plain))
	limits := [4]int64{maxManifest, properties.MaxSize, properties.MaxSize, 1 << 10}
	for i, name := range []string{manifestName, instanceName, sharedName, signatureName} {
		h, err := r.Next()
		if err != nil || h.Name != name || h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR || h.Size > min(limits[i], int64(len(plain))) {
			return nil, refused("it does not hold %s where it belongs", name)
		}
		parts[i] = make([]byte, h.Size)
		if _, err = io.ReadFull(r, parts[i]); err != nil {
			return nil, damaged(err, "%s", name)
		}
	}
	m, err := parseManifest(parts[0])
	if err != nil {
		return nil, err
	}
	again, err := pack(m.Time, parts[0], parts[1], parts[2], parts[3])
	same := err == nil && bytes.Equal(again, plain)
	secret.Wipe(again)
	if !same {
		return nil, refused("its tar is not as ssovault writes it")
	}
	o := &Opened{Manifest: m, signed: signed(parts[0]), instance: parts[1], shared: parts[2]}
	o.Signer, _ = ParseSigner(m.Signer) // checked with the manifest
	if o.signature, err = base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSuffix(parts[3], []byte("\n")))); err != nil ||
		base64.StdEncoding.EncodeToString(o.signature)+"\n" != string(parts[3]) {
		return nil, refused("its %s is none", signatureName)
	}
	for i, d := range m.Files {
		if digestOf(d.Name, parts[i+1]) != d {
			return nil, refused("its %s is not what its %s says", d.Name, manifestName)
		}
	}
	return o, nil
}

// Trust gives both property files, if the signature is that of the signer whom
// the caller knows from outside the file, and the file is of a recovery that
// its own settings go on with. Cause Tampered.
func (o *Opened) Trust(signer Signer) (instance, shared []byte, err error) {
	forged := func(why string) error {
		return fault.New(fault.Tampered, "the recovery file is not to be trusted: %s", why).
			With("somebody else may have written it; " + another)
	}
	switch {
	case !o.Signer.Is(signer):
		return nil, nil, forged("it is signed by " + o.Signer.String() + ", not by " + signer.String())
	case !signer.verify(o.signed, o.signature):
		return nil, nil, forged("its signature does not fit")
	}
	set, err := properties.Parse(o.instance)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Malformed, err, "the instance properties in the recovery file")
	}
	if number, _ := set.Get("instance_number"); number != o.Manifest.Instance {
		return nil, nil, forged("its settings are of another instance than it says")
	}
	setup, err := Read(set)
	if err != nil {
		return nil, nil, err
	}
	if setup == nil || setup.Recipient != o.Manifest.Recipient || !setup.Key.Signer().Is(signer) {
		return nil, nil, forged("its settings are of another recovery than it says")
	}
	setup.Key.Wipe()
	return o.instance, o.shared, nil
}

// Wipe overwrites the settings.
func (o *Opened) Wipe() {
	secret.Wipe(o.instance)
	secret.Wipe(o.shared)
}
