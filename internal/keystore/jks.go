package keystore

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	jks "github.com/pavlo-v-chernykh/keystore-go/v4"

	"ssovault/internal/secret"
)

// oidJKSKeyProtector is Sun's own way to encrypt a key in a JKS.
var oidJKSKeyProtector = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}

// jksEntry is an entry as the walk found it.
type jksEntry struct {
	alias        string
	key          []byte // encrypted; nil for a trusted certificate
	certificates [][]byte
}

// readJKS opens a JKS with keystore-go, after the walk has seen that every
// length and count in the file is what the file can hold: the library allocates
// what a length says.
func readJKS(b []byte, storePassword secret.Value, keyPassword *secret.Value) (content, error) {
	entries, err := walkJKS(b)
	if err != nil {
		return content{}, err
	}
	store := jks.New(jks.WithOrderedAliases(), jks.WithCaseExactAliases())
	password, err := jksPassword(storePassword)
	if err != nil {
		return content{}, err
	}
	defer secret.Wipe(password)
	if err := store.Load(bytes.NewReader(b), password); err != nil {
		// The structure is good, so it is the digest over password and file.
		return content{}, ErrPassword
	}
	found, err := chooseJKS(entries)
	if err != nil || !found.hasKey || keyPassword == nil {
		return found, err
	}
	found.public, err = jksKey(store, found.alias, *keyPassword)
	return found, err
}

// chooseJKS takes the one key's chain; the trusted certificates beside it are
// not the server's. Without a key the trusted certificates are the chain.
func chooseJKS(entries []jksEntry) (content, error) {
	var found content
	var aliases []string
	for _, e := range entries {
		if e.key != nil {
			aliases = append(aliases, e.alias)
		}
	}
	if len(aliases) > 1 {
		return content{}, severalKeys(aliases)
	}
	found.hasKey = len(aliases) == 1
	for _, e := range entries {
		if found.hasKey != (e.key != nil) {
			continue
		}
		if found.hasKey {
			found.alias = e.alias
		}
		for _, der := range e.certificates {
			c, err := parseCertificate(der)
			if err != nil {
				return content{}, err
			}
			found.certificates = append(found.certificates, c)
		}
		if len(found.certificates) > maxCertificates {
			return content{}, ErrLongChain
		}
	}
	return found, nil
}

func jksKey(store jks.KeyStore, alias string, keyPassword secret.Value) (publicKey, error) {
	password, err := jksPassword(keyPassword)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe(password)
	entry, err := store.GetPrivateKeyEntry(alias, password)
	if err != nil {
		return nil, ErrKeyPassword // also a digest: a damaged key looks the same
	}
	defer secret.Wipe(entry.PrivateKey)
	return parsePKCS8(entry.PrivateKey)
}

// jksPassword gives the password in the library's terms: it makes a UTF-16 unit
// of every byte, so what Java hashed is reached only within ISO-8859-1.
func jksPassword(v secret.Value) ([]byte, error) {
	if !utf8.Valid(v.Bytes()) {
		return nil, fmt.Errorf("%w: it is not UTF-8", ErrEncoding)
	}
	password := make([]byte, 0, v.Len())
	for b := v.Bytes(); len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		if r > 0xFF {
			secret.Wipe(password)
			return nil, fmt.Errorf("%w: a JKS password must be of ISO-8859-1 characters; convert the file to PKCS#12", ErrEncoding)
		}
		password = append(password, byte(r))
		b = b[n:]
	}
	return password, nil
}

// jksWalk reads big-endian fields. After the first error it gives zeros.
type jksWalk struct {
	b   []byte
	err error
}

// walkJKS reads a JKS's structure without its passwords: magic, version, count,
// entries, and the SHA-1 digest at the very end.
func walkJKS(b []byte) ([]jksEntry, error) {
	const magicLen, digestLen = 4, 20
	w := &jksWalk{b: b[magicLen:]}
	version := w.uint32()
	if w.err == nil && version != 1 && version != 2 {
		return nil, fmt.Errorf("%w: JKS version %d", ErrUnsupported, version)
	}
	count := w.count(4 + 2 + 8 + 4)
	entries := make([]jksEntry, 0, min(count, 64))
	for range count {
		if w.err != nil {
			break
		}
		entries = append(entries, w.entry(version))
	}
	w.bytes(digestLen)
	switch {
	case w.err != nil:
		return nil, w.err
	case len(w.b) > 0:
		return nil, fmt.Errorf("%w: %d bytes follow its end", ErrDamaged, len(w.b))
	}
	names := map[string]bool{}
	for _, e := range entries {
		if names[e.alias] { // keystore-go would silently take the last one
			return nil, fmt.Errorf("%w: two entries are called %q", ErrDamaged, e.alias)
		}
		names[e.alias] = true
	}
	return entries, nil
}

func (w *jksWalk) entry(version uint32) jksEntry {
	const tagKey, tagTrusted = 1, 2
	tag := w.uint32()
	e := jksEntry{alias: string(w.bytes(w.uint16()))}
	w.bytes(8) // time of creation
	switch {
	case w.err != nil:
	case tag == tagTrusted:
		e.certificates = [][]byte{w.certificate(version)}
	case tag == tagKey:
		e.key = slices.Clone(w.bytes(w.uint32()))
		w.protectedKey(e.key)
		n := w.count(4)
		if n > maxCertificates {
			w.err = ErrLongChain
			break
		}
		for range n {
			if w.err != nil {
				break
			}
			e.certificates = append(e.certificates, w.certificate(version))
		}
	default:
		w.err = fmt.Errorf("%w: an entry of kind %d", ErrDamaged, tag)
	}
	return e
}

// protectedKey checks what keystore-go takes for granted and would panic over:
// salt and digest of 20 bytes each around the encrypted key.
func (w *jksWalk) protectedKey(der []byte) {
	var info encryptedPrivateKeyInfo
	const around = 20 + 20
	if w.err != nil {
		return
	}
	switch rest, err := asn1.Unmarshal(der, &info); {
	case err != nil || len(rest) > 0 || len(info.Data) <= around:
		w.err = fmt.Errorf("%w: the private key's entry cannot be read", ErrDamaged)
	case !info.Algorithm.Algorithm.Equal(oidJKSKeyProtector):
		w.err = fmt.Errorf("%w: the private key is encrypted by algorithm %v", ErrUnsupported, info.Algorithm.Algorithm)
	}
}

func (w *jksWalk) certificate(version uint32) []byte {
	if version == 2 {
		if kind := w.bytes(w.uint16()); w.err == nil && string(kind) != "X.509" && string(kind) != "X509" {
			w.err = fmt.Errorf("%w: a certificate of type %q", ErrUnsupported, kind)
		}
	}
	return w.bytes(w.uint32())
}

// bytes takes n bytes. What is missing was cut off, unless so much is missing
// that no key store could ever have held it.
func (w *jksWalk) bytes(n uint32) []byte {
	switch {
	case w.err != nil:
		return nil
	case n > MaxSize:
		w.err = ErrLength
		return nil
	case int(n) > len(w.b):
		w.err = ErrTruncated
		return nil
	}
	field := w.b[:n]
	w.b = w.b[n:]
	return field
}

// count reads how many follow, each of at least size bytes.
func (w *jksWalk) count(size int) uint32 {
	n := w.uint32()
	switch {
	case w.err != nil:
		return 0
	case n > uint32(MaxSize/size):
		w.err = ErrLength
	case int(n)*size > len(w.b):
		w.err = ErrTruncated
	default:
		return n
	}
	return 0
}

func (w *jksWalk) uint16() uint32 {
	if field := w.bytes(2); field != nil {
		return uint32(binary.BigEndian.Uint16(field))
	}
	return 0
}

func (w *jksWalk) uint32() uint32 {
	if field := w.bytes(4); field != nil {
		return binary.BigEndian.Uint32(field)
	}
	return 0
}
