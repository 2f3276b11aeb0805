package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"ssovault/internal/secret"
)

// many is what a PKCS#12 file may ask for, and takes hours.
const many = 1<<31 - 1

var (
	oidData           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidShroudedKeyBag = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidPBE3DES        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}
	oidPBKDF2         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidPBES2          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBMAC1         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidHMACSHA256     = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidSHA256         = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidAES256CBC      = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}

	salt = []byte("saltsalt")
	iv   = make([]byte, aes.BlockSize)
)

// The parts of RFC 7292 4.
type (
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue
	}
	encryptedData struct {
		Version int
		Content struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Encrypted []byte `asn1:"tag:0"`
		}
	}
	safeBag struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	digestInfo struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	macData struct {
		Mac        digestInfo
		Salt       []byte
		Iterations int
	}
	saltAndRounds struct {
		Salt       []byte
		Iterations int
	}
)

func der(t testing.TB, v any) []byte {
	t.Helper()
	b, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wrapped(b []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: b}
}

func algorithm(t testing.TB, id asn1.ObjectIdentifier, params any) pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: id, Parameters: asn1.RawValue{FullBytes: der(t, params)}}
}

// pbes2 gives AES-256 under so many rounds of HMAC-SHA-1.
func pbes2(t testing.TB, iterations int) pkix.AlgorithmIdentifier {
	return algorithm(t, oidPBES2, []pkix.AlgorithmIdentifier{
		algorithm(t, oidPBKDF2, saltAndRounds{salt, iterations}), algorithm(t, oidAES256CBC, iv),
	})
}

// seal encrypts under one round and the empty password.
func seal(t testing.TB, plain []byte) []byte {
	t.Helper()
	key, err := pbkdf2.Key(sha1.New, "", salt, 1, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	n := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(bytes.Clone(plain), bytes.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	return plain
}

func plainSafe(t testing.TB, bags ...safeBag) contentInfo {
	return contentInfo{Type: oidData, Content: wrapped(der(t, der(t, bags)))}
}

func sealedSafe(t testing.TB, iterations int, bags ...safeBag) contentInfo {
	var data encryptedData
	data.Content.Type = oidData
	data.Content.Algorithm = pbes2(t, iterations)
	data.Content.Encrypted = seal(t, der(t, bags))
	return contentInfo{Type: oidEncryptedData, Content: wrapped(der(t, data))}
}

func shroudedKey(t testing.TB, a pkix.AlgorithmIdentifier) safeBag {
	key := encryptedPrivateKeyInfo{Algorithm: a, Data: make([]byte, 32)}
	return safeBag{ID: oidShroudedKeyBag, Value: wrapped(der(t, key))}
}

func pfxOf(t testing.TB, mac *macData, safes ...contentInfo) []byte {
	content := contentInfo{Type: oidData, Content: wrapped(der(t, der(t, safes)))}
	if mac == nil {
		return der(t, struct {
			Version  int
			AuthSafe contentInfo
		}{3, content})
	}
	return der(t, struct {
		Version  int
		AuthSafe contentInfo
		Mac      macData
	}{3, content, *mac})
}

// TestVisibleRounds has every place that can ask for rounds, alone and with the
// others.
func TestVisibleRounds(t *testing.T) {
	t.Parallel()
	mac := func(n int) *macData {
		return &macData{digestInfo{pkix.AlgorithmIdentifier{Algorithm: oidSHA256}, make([]byte, 32)}, salt, n}
	}
	pbmac1 := algorithm(t, oidPBMAC1, []pkix.AlgorithmIdentifier{
		algorithm(t, oidPBKDF2, saltAndRounds{salt, many}), {Algorithm: oidHMACSHA256},
	})
	own := algorithm(t, oidPBE3DES, saltAndRounds{salt, many})
	tagged := plainSafe(t)
	tagged.Content.Bytes = der(t, asn1.RawValue{Class: asn1.ClassApplication, Tag: 7,
		Bytes: der(t, []safeBag{shroudedKey(t, pbes2(t, many))})})
	half := maxRounds / 2
	for _, test := range []struct {
		name string
		file []byte
		want error
	}{
		{"MAC", pfxOf(t, mac(many), plainSafe(t)), ErrRounds},
		{"PBMAC1", pfxOf(t, &macData{digestInfo{pbmac1, make([]byte, 32)}, salt, 1}, plainSafe(t)), ErrRounds},
		{"safe", pfxOf(t, nil, sealedSafe(t, many)), ErrRounds},
		{"key", pfxOf(t, nil, plainSafe(t, shroudedKey(t, pbes2(t, many)))), ErrRounds},
		{"key, PKCS#12's own", pfxOf(t, nil, plainSafe(t, shroudedKey(t, own))), ErrRounds},
		{"key under another tag", pfxOf(t, nil, tagged), ErrRounds},
		{"together", pfxOf(t, mac(half), sealedSafe(t, half), plainSafe(t, shroudedKey(t, pbes2(t, 1)))), ErrRounds},
		{"the most there may be", pfxOf(t, mac(half), sealedSafe(t, half-1), plainSafe(t, shroudedKey(t, pbes2(t, 1)))), nil},
		{"fewer than none", pfxOf(t, mac(-many), sealedSafe(t, maxRounds+1)), ErrRounds},
	} {
		if _, err := scanPKCS12(test.file); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, not %v", test.name, err, test.want)
		}
		if test.want == nil {
			continue // opening it takes seconds
		}
		if _, err := Open(test.file, secret.Value{}, secret.Value{}); !errors.Is(err, ErrRounds) {
			t.Errorf("%s: opened: %v", test.name, err)
		}
	}
}

// TestHiddenRounds has a key inside an encrypted part: only time tells. Of the
// rounds it asks for, no machine does a thousandth in the time given.
func TestHiddenRounds(t *testing.T) {
	t.Parallel()
	file := pfxOf(t, nil, sealedSafe(t, 1, shroudedKey(t, pbes2(t, 2_000_000))))
	if _, err := scanPKCS12(file); err != nil {
		t.Fatalf("the key is visible: %v", err)
	}
	_, err := within(time.Millisecond, func() (content, error) { return decodePKCS12(file, "", true) })
	if !errors.Is(err, ErrRounds) {
		t.Errorf("%v", err)
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	defer close(held)
	_, err := within(time.Nanosecond, func() (content, error) {
		<-held
		return content{}, nil
	})
	if !errors.Is(err, ErrRounds) {
		t.Errorf("held: %v", err)
	}
	c, err := within(time.Hour, func() (content, error) { return content{alias: "a"}, ErrDamaged })
	if c.alias != "a" || err != ErrDamaged {
		t.Errorf("%q, %v", c.alias, err)
	}
}

// TestDeepNesting has a file of millions of levels, which are not climbed down.
func TestDeepNesting(t *testing.T) {
	t.Parallel()
	inner := der(t, saltAndRounds{salt, many})
	deep := inner
	for range maxDepth {
		deep = der(t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: deep})
	}
	for depth, want := range map[int]int{maxDepth + 1: maxRounds + 1, maxDepth: 0} {
		if got := visibleRounds(deep, depth); got != want {
			t.Errorf("depth %d: %d rounds, not %d", depth, got, want)
		}
	}
}

func FuzzScanPKCS12(f *testing.F) {
	f.Add(pfxOf(f, nil, sealedSafe(f, 1), plainSafe(f, shroudedKey(f, pbes2(f, many)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := scanPKCS12(b)
		if err != nil && !errors.Is(err, ErrRounds) && !errors.Is(err, ErrDamaged) {
			t.Errorf("%v", err)
		}
		if n := visibleRounds(b, maxDepth); n < 0 || n > maxRounds && err == nil {
			t.Errorf("%d rounds, %v", n, err)
		}
	})
}

func FuzzWalkJKS(f *testing.F) {
	f.Add([]byte("\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if kind, err := Detect(b); err != nil || kind != JKS {
			return
		}
		entries, err := walkJKS(b)
		size := 0
		for _, e := range entries {
			size += len(e.alias) + len(e.key)
			for _, c := range e.certificates {
				size += len(c)
			}
		}
		if err == nil && size > len(b) {
			t.Errorf("%d bytes of entries in a file of %d", size, len(b))
		}
	})
}
