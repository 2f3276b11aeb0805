package recovery

import (
	"bytes"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"ssovault/internal/secret"
)

var update = flag.Bool("update", false, "write the vectors anew: only for a new version of the format")

// The vectors are the recovery file and the shares of FORMAT.md, frozen. Their
// key is 42 × 32 and their signing key's seed 43 × 32, in hexadecimal.
func vectorKey() secret.Value { return secret.New(bytes.Repeat([]byte{0x42}, identitySize)) }

func vectorSetup(t tb) Setup {
	t.Helper()
	recipient, err := RecipientOf(vectorKey())
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseSigningKey(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x43}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return Setup{Recipient: recipient, Shares: Shares{2, 3}, Key: key}
}

func TestFrozenVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "vectors", "recovery")
	setup := vectorSetup(t)
	if *update {
		writeVectors(t, dir, setup)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fromFile, err := ParseIdentity(read("identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Named
	for _, name := range []string{"share-1.txt", "share-3.txt"} {
		s, err := ParseShare(read(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, Named{name, s})
	}
	fromShares, err := Combine(all)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []Identity{fromFile, fromShares} {
		o, err := Open(read("recovery.age"), id)
		if err != nil {
			t.Fatal(err)
		}
		instance, shared, err := o.Trust(*id.Signer)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(instance, settingsText(t, setup, testInstance)) || string(shared) != "sso_domain=acme\n" {
			t.Errorf("%s%s", instance, shared)
		}
	}
	if got := IdentityFile(vectorKey(), setup.Public(), testInstance, testTime); !bytes.Equal(got, read("identity.txt")) {
		t.Errorf("the identity file is written otherwise:\n%s", got)
	}
}

func writeVectors(t *testing.T, dir string, setup Setup) {
	t.Helper()
	file, err := setup.Seal(Save{
		Instance: testInstance, Generation: 7, SaveID: "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a", Time: testTime,
		InstanceText: settingsText(t, setup, testInstance), SharedText: []byte("sso_domain=acme\n"),
		Bound: []Digest{digestOf("idp_metadata.xml", []byte("x"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	shares, err := Deal(vectorKey(), setup, testInstance, testTime)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"recovery.age": file, "identity.txt": IdentityFile(vectorKey(), setup.Public(), testInstance, testTime)}
	for _, s := range shares {
		files["share-"+string(rune('0'+s.Index))+".txt"] = s.Text()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
