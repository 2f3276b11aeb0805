package keystore_test

import (
	"testing"

	"ssovault/internal/keystore"
)

func FuzzDetect(f *testing.F) {
	for _, seed := range []string{"\xfe\xed\xfe\xed", "\xce\xce\xce\xce", "0\x82\x01\x00\x02\x01\x03", "-----BEGIN CERTIFICATE-----", "0\x80"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, err := keystore.Detect(b)
		if err == nil && kind.String() == "" {
			t.Error("a kind without a name")
		}
		_, openErr := keystore.OpenChain(b, password(""))
		if err != nil && (openErr == nil || openErr.Error() != err.Error()) {
			t.Errorf("detected as %v, opened as %v", err, openErr)
		}
	})
}

func FuzzOpen(f *testing.F) {
	_, asJKS, asPKCS12, asPEM := small(f)
	for _, seed := range [][]byte{asJKS, asPKCS12, asPEM} {
		f.Add(seed, "pw", "")
	}
	f.Fuzz(func(t *testing.T, b []byte, store, key string) {
		c, err := keystore.Open(b, password(store), password(key))
		if err == nil && (!c.HasKey || len(c.Certificates) == 0) {
			t.Errorf("opened without key or certificate: %+v", c)
		}
		if err != nil && c.Certificates != nil {
			t.Error("a chain beside an error")
		}
		alone, chainErr := keystore.OpenChain(b, password(store))
		if err == nil && (chainErr != nil || len(alone.Certificates) == 0) {
			t.Errorf("the chain alone: %v", chainErr)
		}
	})
}
