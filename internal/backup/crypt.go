package backup

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"filippo.io/age"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

// maxWorkFactor bounds what a passphrase-encrypted file may ask for: 2^18 is
// what age writes and takes 256 MiB for a second; 2^30 would take a terabyte.
const maxWorkFactor = 18

// ageMagic begins every age file that is not armoured.
const ageMagic = "age-encryption.org/v1\n"

// Recipients are those who can open an encrypted archive. The zero value
// encrypts nothing.
type Recipients struct{ all []age.Recipient }

// Any tells whether the archive will be encrypted.
func (r Recipients) Any() bool { return len(r.all) > 0 }

// Add takes an age recipient (age1…). Cause Usage.
func (r *Recipients) Add(recipient string) error {
	if strings.HasPrefix(strings.ToUpper(recipient), "AGE-SECRET-KEY-") {
		// Not repeated: it is a secret, and now others may have seen it.
		return fault.New(fault.Usage, "--encrypt-to was given a secret key; give the recipient that belongs to it (age1…)").
			With("make a new key: this one has been on a command line")
	}
	parsed, err := age.ParseRecipients(strings.NewReader(recipient))
	if err != nil {
		return fault.New(fault.Usage, "%q is no age recipient (age1…)", recipient)
	}
	r.all = append(r.all, parsed...)
	return nil
}

// AddPassphrase encrypts with a passphrase. It excludes any other recipient,
// as age has it. Cause Usage.
func (r *Recipients) AddPassphrase(p secret.Value) error {
	s, err := age.NewScryptRecipient(string(p.Bytes()))
	if err != nil {
		return fault.Wrap(fault.Usage, err, "the passphrase")
	}
	r.all = append(r.all, s)
	return nil
}

// Keys open encrypted archives.
type Keys struct {
	identities []age.Identity
	passphrase age.Identity // or nil
}

// all are the keys as age tries them.
func (k Keys) all() []age.Identity {
	if k.passphrase == nil {
		return k.identities
	}
	return append([]age.Identity{k.passphrase}, k.identities...)
}

// Add takes identities as age-keygen writes them. Cause Usage.
func (k *Keys) Add(text []byte) error {
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return fault.New(fault.Usage, "it is no age identity file (AGE-SECRET-KEY-1…)") // its error may hold a part of the key
	}
	k.identities = append(k.identities, ids...)
	return nil
}

// SetPassphrase takes a passphrase, in the place of the one before. Cause Usage.
func (k *Keys) SetPassphrase(p secret.Value) error {
	id, err := age.NewScryptIdentity(string(p.Bytes()))
	if err != nil {
		return fault.Wrap(fault.Usage, err, "the passphrase")
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	k.passphrase = id
	return nil
}

// ErrLocked is what Open wraps when an archive is encrypted and no key that
// was given opens it.
var ErrLocked = errors.New("the backup is encrypted, and no key that was given opens it")

// ErrPassphrase is what Open wraps when the archive is encrypted with another
// passphrase than the one that was given. It is an ErrLocked.
var ErrPassphrase error = wrongPassphrase{}

type wrongPassphrase struct{}

func (wrongPassphrase) Error() string { return "the passphrase is wrong" }

func (wrongPassphrase) Is(target error) bool { return target == ErrLocked }

// peekBuffer is small: what is large is read to where it stays.
const peekBuffer = 4 << 10

// decrypted gives what is inside age, and the key of that file alone; or the
// archive itself, and nil, where nothing is encrypted.
func decrypted(r io.ReaderAt, size int64, keys Keys) (in io.Reader, key age.Identity, err error) {
	b := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), peekBuffer)
	start, err := b.Peek(len(ageMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, readError(err, "its beginning")
	}
	switch {
	case bytes.HasPrefix(start, []byte(zstdMagic)):
		return b, nil, nil
	case string(start) != ageMagic:
		return nil, nil, fault.New(fault.Malformed, "this is no backup of ssovault").With(anotherBackup)
	}
	if key, err = fileKey(b, size, keys); err != nil {
		return nil, nil, err
	}
	inner, err := age.Decrypt(io.NewSectionReader(r, 0, size), key)
	if err != nil {
		return nil, nil, damaged(err, "its age header")
	}
	peek := bufio.NewReaderSize(inner, peekBuffer)
	if start, err := peek.Peek(len(zstdMagic)); err != nil || string(start) != zstdMagic {
		if err != nil {
			return nil, nil, damaged(err, "its first bytes")
		}
		return nil, nil, fault.New(fault.Malformed, "what is encrypted is no backup of ssovault").With(anotherBackup)
	}
	return peek, key, nil
}

// fileKey reads the header of an age file of size bytes. What is cut off so that it
// shows is damaged for those too who have no key. A passphrase takes a second to
// try, so what it gives is kept.
func fileKey(r io.Reader, size int64, keys Keys) (age.Identity, error) {
	header, err := age.ExtractHeader(r)
	switch {
	case err != nil:
		return nil, damaged(err, "its age header")
	case !canHold(size - int64(len(header))):
		return nil, damaged(io.ErrUnexpectedEOF, "what is encrypted")
	case len(keys.all()) == 0:
		return nil, locked(header, keys)
	}
	key, err := age.DecryptHeader(header, keys.all()...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, locked(header, keys)
	case err != nil:
		return nil, damaged(err, "its age header")
	}
	return age.NewInjectedFileKeyIdentity(key), nil
}

// canHold tells whether so many bytes can be the payload of an age file that is not
// empty: a nonce, and chunks that have a tag each.
func canHold(payload int64) bool {
	const nonce, tag = 16, 16
	last := (payload - nonce) % (ageChunk + tag)
	return payload > nonce && (last == 0 || last > tag)
}

// scryptStanza follows the magic of a file that is encrypted with a passphrase,
// which has no other stanza (age-encryption.org/v1, scrypt recipient stanza).
const scryptStanza = "-> scrypt "

// locked says why no key opens an archive with such a header, and which kind would.
// Cause Usage.
func locked(header []byte, keys Keys) error {
	byPassphrase := bytes.HasPrefix(header, []byte(ageMagic+scryptStanza))
	switch {
	case byPassphrase && keys.passphrase != nil:
		return fault.Wrap(fault.Usage, ErrPassphrase, "open the backup").(*fault.Error).
			With("give the passphrase that it was encrypted with; capitals and blanks count")
	case byPassphrase:
		return fault.Wrap(fault.Usage, ErrLocked, "open the backup").(*fault.Error).
			With("it was encrypted with a passphrase: give '--passphrase', or '--passphrase-source'")
	}
	return fault.Wrap(fault.Usage, ErrLocked, "open the backup").(*fault.Error).
		With("it was encrypted to a recipient: give the key with '--identity FILE'")
}

// Recognise tells whether a file begins as an archive does.
func Recognise(r io.Reader) bool {
	start := make([]byte, len(ageMagic))
	n, _ := io.ReadFull(r, start)
	return bytes.HasPrefix(start[:n], []byte(zstdMagic)) || string(start[:n]) == ageMagic
}
