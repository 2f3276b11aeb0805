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
type Keys struct{ all []age.Identity }

// Add takes identities as age-keygen writes them. Cause Usage.
func (k *Keys) Add(text []byte) error {
	ids, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil {
		return fault.New(fault.Usage, "it is no age identity file (AGE-SECRET-KEY-1…)") // its error may hold a part of the key
	}
	k.all = append(k.all, ids...)
	return nil
}

// AddPassphrase takes a passphrase.
func (k *Keys) AddPassphrase(p secret.Value) error {
	id, err := age.NewScryptIdentity(string(p.Bytes()))
	if err != nil {
		return fault.Wrap(fault.Usage, err, "the passphrase")
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	k.all = append(k.all, id)
	return nil
}

// ErrLocked is what Open wraps when an archive is encrypted and no key that
// was given opens it.
var ErrLocked = errors.New("the backup is encrypted, and no key that was given opens it")

// A source is an archive's file, and the key to it.
type source struct {
	file io.ReaderAt
	size int64
	key  age.Identity // of this one file; nil where nothing is encrypted
}

// window is how much is read of an archive at a time where it is read in small
// pieces.
const window = 256 << 10

// unlock looks at how an archive begins, and finds the key that opens it: once,
// since a passphrase takes its time.
func unlock(r io.ReaderAt, size int64, keys Keys) (s source, err error) {
	s = source{file: r, size: size}
	start := make([]byte, len(ageMagic))
	n, err := r.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return s, readError(err, "its beginning")
	}
	start = start[:n]
	switch {
	case bytes.HasPrefix(start, []byte(zstdMagic)):
		return s, nil
	case string(start) != ageMagic:
		return s, fault.New(fault.Malformed, "this is no backup of ssovault").With(anotherBackup)
	case len(keys.all) == 0:
		return s, locked()
	}
	header, err := age.ExtractHeader(s.bytes())
	if err != nil {
		return s, damaged(err, "its age header")
	}
	key, err := age.DecryptHeader(header, keys.all...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return s, locked()
	case err != nil:
		return s, damaged(err, "its age header")
	}
	s.key = age.NewInjectedFileKeyIdentity(key)
	return s, nil
}

// bytes reads the file as it is.
func (s source) bytes() *io.SectionReader { return io.NewSectionReader(s.file, 0, s.size) }

// stream reads what is inside age, or the file itself where nothing is encrypted.
func (s source) stream() (io.Reader, error) {
	if s.key == nil {
		return s.bytes(), nil
	}
	inner, err := age.Decrypt(bufio.NewReaderSize(s.bytes(), window), s.key)
	if err != nil {
		return nil, damaged(err, "its age header")
	}
	peek := bufio.NewReaderSize(inner, window)
	if start, err := peek.Peek(len(zstdMagic)); err != nil || string(start) != zstdMagic {
		if err != nil {
			return nil, damaged(err, "its first bytes")
		}
		return nil, fault.New(fault.Malformed, "what is encrypted is no backup of ssovault").With(anotherBackup)
	}
	return peek, nil
}

// parts is the same for one that reads here and there. Not for several at a
// time: age keeps what it decrypted last, for one.
func (s source) parts() (io.ReaderAt, int64, error) {
	if s.key == nil {
		return s.file, s.size, nil
	}
	return age.DecryptReaderAt(s.file, s.size, s.key)
}

func locked() error {
	return fault.Wrap(fault.Usage, ErrLocked, "open the backup").(*fault.Error).
		With("give the key with '--identity FILE', or '--passphrase'")
}

// Recognise tells whether a file begins as an archive does.
func Recognise(r io.Reader) bool {
	start := make([]byte, len(ageMagic))
	n, _ := io.ReadFull(r, start)
	return bytes.HasPrefix(start[:n], []byte(zstdMagic)) || string(start[:n]) == ageMagic
}
