package keystore

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"ssovault/internal/secret"
)

// PKCS#12 (RFC 7292) is read here rather than by a library: those that there
// are derive keys with as many rounds as the file says, also in bags that only
// appear once a part is decrypted; and they know neither a file without a key
// nor a key whose password is not the store's, which Java can write.

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
)

// pfx is RFC 7292 4.
type pfx struct {
	Version  int
	AuthSafe contentInfo
	Mac      macData `asn1:"optional"`
}

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
}

// octets gives the content where that is an OCTET STRING.
func (c contentInfo) octets() ([]byte, error) {
	var b []byte
	if !c.Type.Equal(oidData) {
		return nil, fmt.Errorf("%w: PKCS#12 content of type %v", ErrUnsupported, c.Type)
	}
	err := unmarshal(c.Content.Bytes, &b)
	return b, err
}

type encryptedData struct {
	Version int
	Content struct {
		Type      asn1.ObjectIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Encrypted []byte `asn1:"tag:0,optional"`
	}
}

// encryptedPrivateKeyInfo is RFC 5958 3: a PKCS#8 key behind a password.
type encryptedPrivateKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// readPKCS12 checks the MAC, opens the safes with the store's password and, if
// it is asked for, the key with its own.
func readPKCS12(b []byte, storePassword secret.Value, keyPassword *secret.Value) (content, error) {
	if err := wholeDER(b); err != nil {
		return content{}, err
	}
	var file pfx
	if err := unmarshal(b, &file); err != nil {
		return content{}, err
	}
	if file.Version != 3 {
		return content{}, fmt.Errorf("%w: PKCS#12 version %d", ErrUnsupported, file.Version)
	}
	safes, err := file.AuthSafe.octets()
	if err != nil {
		return content{}, err
	}
	phrase, err := newPassphrase(storePassword)
	if err != nil {
		return content{}, err
	}
	defer phrase.wipe()
	work := newRounds()
	if file.Mac.present() {
		if err := file.Mac.verify(safes, &phrase, work); err != nil {
			return content{}, err
		}
	}
	bags, err := openSafes(safes, phrase, work)
	if err != nil {
		return content{}, err
	}
	found, key, err := sortBags(bags)
	if err != nil || key == nil || keyPassword == nil {
		return found, err
	}
	found.public, err = key.open(*keyPassword, work)
	if errors.Is(err, ErrKeyPassword) && !keyPassword.Equal(storePassword) {
		// keytool ignores another password for the key, with a warning only.
		err = fmt.Errorf("%w; in PKCS#12 it is usually that of the key store", err)
	}
	return found, err
}

// openSafes decrypts every part that the store's password protects.
func openSafes(der []byte, phrase passphrase, work *rounds) ([]safeBag, error) {
	var safes []contentInfo
	if err := unmarshal(der, &safes); err != nil {
		return nil, err
	}
	var all []safeBag
	for _, safe := range safes {
		plain, err := openSafe(safe, phrase, work)
		if err != nil {
			return nil, err
		}
		var bags []safeBag
		if err := unmarshal(plain, &bags); err != nil {
			if safe.Type.Equal(oidEncryptedData) {
				return nil, ErrPassword // the padding was right by chance
			}
			return nil, err
		}
		all = append(all, bags...)
	}
	return all, nil
}

func openSafe(safe contentInfo, phrase passphrase, work *rounds) ([]byte, error) {
	if !safe.Type.Equal(oidEncryptedData) {
		return safe.octets()
	}
	var data encryptedData
	if err := unmarshal(safe.Content.Bytes, &data); err != nil {
		return nil, err
	}
	plain, err := decrypt(data.Content.Algorithm, data.Content.Encrypted, phrase, work)
	if errors.Is(err, errPadding) {
		return nil, ErrPassword
	}
	return plain, err
}

// sealedKey is a private key as its bag holds it.
type sealedKey struct {
	plain  []byte // PKCS#8, or nil
	shroud encryptedPrivateKeyInfo
}

// open gives the key's public half.
func (k *sealedKey) open(password secret.Value, work *rounds) (publicKey, error) {
	if k.plain != nil {
		return parsePKCS8(k.plain)
	}
	phrase, err := newPassphrase(password)
	if err != nil {
		return nil, err
	}
	defer phrase.wipe()
	return openShroud(k.shroud, phrase, work)
}

// openShroud decrypts a PKCS#8 key. It has no MAC of its own: a wrong password
// shows in the padding, and else in a key that is none.
func openShroud(shroud encryptedPrivateKeyInfo, phrase passphrase, work *rounds) (publicKey, error) {
	plain, err := decrypt(shroud.Algorithm, shroud.Data, phrase, work)
	if errors.Is(err, errPadding) {
		return nil, ErrKeyPassword
	}
	if err != nil {
		return nil, err
	}
	defer secret.Wipe(plain)
	public, err := parsePKCS8(plain)
	if errors.Is(err, ErrDamaged) {
		return nil, ErrKeyPassword
	}
	return public, err
}
