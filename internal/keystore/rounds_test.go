package keystore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"testing"

	"ssovault/internal/secret"
)

// many is what a PKCS#12 file may ask for, and takes hours.
const many = 1<<31 - 1

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

var (
	salt = []byte("saltsalt")
	iv   = make([]byte, aes.BlockSize)
)

// pbes2 gives AES-256 under so many rounds of HMAC-SHA-1.
func pbes2(t testing.TB, iterations int) pkix.AlgorithmIdentifier {
	return algorithm(t, oidPBES2, []pkix.AlgorithmIdentifier{
		algorithm(t, oidPBKDF2, struct {
			Salt       []byte
			Iterations int
		}{salt, iterations}),
		algorithm(t, pbes2Ciphers[2].id, iv),
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

func sealedSafe(t testing.TB, iterations int, bags []safeBag) contentInfo {
	var data encryptedData
	data.Content.Type = oidData
	data.Content.Algorithm = pbes2(t, iterations)
	data.Content.Encrypted = seal(t, der(t, bags))
	return contentInfo{Type: oidEncryptedData, Content: wrapped(der(t, data))}
}

func shroudedKey(t testing.TB, a pkix.AlgorithmIdentifier) safeBag {
	return safeBag{ID: oidShroudedKeyBag, Value: wrapped(der(t, encryptedPrivateKeyInfo{Algorithm: a, Data: make([]byte, 32)}))}
}

func pfxOf(t testing.TB, mac macData, safes ...contentInfo) []byte {
	content := contentInfo{Type: oidData, Content: wrapped(der(t, der(t, safes)))}
	if mac.present() {
		return der(t, pfx{Version: 3, AuthSafe: content, Mac: mac})
	}
	return der(t, struct {
		Version  int
		AuthSafe contentInfo
	}{3, content})
}

// TestRoundsAreBounded asks for hours of work in every place that can ask,
// those inside encrypted parts included.
func TestRoundsAreBounded(t *testing.T) {
	t.Parallel()
	var mac, pbmac1 macData
	mac.Mac.Algorithm = pkix.AlgorithmIdentifier{Algorithm: macHashes[2].id}
	mac.Mac.Digest, mac.Salt, mac.Iterations = make([]byte, 32), salt, many
	pbmac1.Mac.Algorithm = algorithm(t, oidPBMAC1, []pkix.AlgorithmIdentifier{
		algorithm(t, oidPBKDF2, struct {
			Salt       []byte
			Iterations int
		}{salt, many}),
		{Algorithm: hmacs[2].id},
	})
	pbmac1.Mac.Digest, pbmac1.Salt, pbmac1.Iterations = make([]byte, 32), salt, 1
	own := algorithm(t, pkcs12Ciphers[0].id, struct {
		Salt       []byte
		Iterations int
	}{salt, many})
	plain := func(bags ...safeBag) contentInfo {
		return contentInfo{Type: oidData, Content: wrapped(der(t, der(t, bags)))}
	}
	for name, file := range map[string][]byte{
		"MAC":                     pfxOf(t, mac, plain()),
		"PBMAC1":                  pfxOf(t, pbmac1, plain()),
		"safe":                    pfxOf(t, macData{}, sealedSafe(t, many, nil)),
		"key":                     pfxOf(t, macData{}, plain(shroudedKey(t, pbes2(t, many)))),
		"key, PKCS#12's own":      pfxOf(t, macData{}, plain(shroudedKey(t, own))),
		"key in an encrypted one": pfxOf(t, macData{}, sealedSafe(t, 1, []safeBag{shroudedKey(t, pbes2(t, many))})),
	} {
		_, err := Open(file, secret.Value{}, secret.Value{})
		if !errors.Is(err, ErrRounds) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The builder makes files that open but for the rounds.
	_, err := Open(pfxOf(t, macData{}, sealedSafe(t, 1, nil), plain()), secret.Value{}, secret.Value{})
	if !errors.Is(err, ErrNoKey) {
		t.Errorf("one round: %v", err)
	}
}

func TestRoundsAddUp(t *testing.T) {
	t.Parallel()
	work := newRounds()
	for range 4 {
		if err := work.spend(maxRounds/8, 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := work.spend(1, 1); !errors.Is(err, ErrRounds) {
		t.Errorf("one more: %v", err)
	}
	for _, n := range []int{0, -1} {
		if err := newRounds().spend(n, 1); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d rounds: %v", n, err)
		}
	}
}

// TestRC2 has the vectors of RFC 2268 5 whose effective length is the key's.
func TestRC2(t *testing.T) {
	t.Parallel()
	for _, v := range [][3]string{
		{"ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"},
		{"3000000000000000", "1000000000000001", "30649edf9be7d2c2"},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
	} {
		key, _ := hex.DecodeString(v[0])
		text, _ := hex.DecodeString(v[1])
		block, err := newRC2(key)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, block.BlockSize())
		block.Encrypt(out, text)
		if got := hex.EncodeToString(out); got != v[2] {
			t.Errorf("%s: %s, not %s", v[0], got, v[2])
		}
		block.Decrypt(out, out)
		if !bytes.Equal(out, text) {
			t.Errorf("%s: decrypts to %x", v[0], out)
		}
	}
	for _, n := range []int{0, 129} {
		if _, err := newRC2(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes is taken", n)
		}
	}
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

func FuzzDecrypt(f *testing.F) {
	f.Add(der(f, pbes2(f, 1)), make([]byte, des.BlockSize*2), "")
	f.Fuzz(func(t *testing.T, params, data []byte, password string) {
		var a pkix.AlgorithmIdentifier
		if unmarshal(params, &a) != nil {
			return
		}
		phrase, err := newPassphrase(secret.New([]byte(password)))
		if err != nil {
			return
		}
		plain, err := decrypt(a, data, phrase, &rounds{left: 1000})
		if err == nil && len(plain) >= len(data) {
			t.Errorf("%d bytes decrypt to %d", len(data), len(plain))
		}
	})
}
