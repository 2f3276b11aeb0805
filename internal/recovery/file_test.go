package recovery

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
)

func TestOpenGivesWhatWasSealed(t *testing.T) {
	f := newFixture(t, Shares{})
	o, err := Open(f.file, f.id)
	if err != nil {
		t.Fatal(err)
	}
	instance, shared, err := o.Trust(*f.id.Signer)
	if err != nil {
		t.Fatal(err)
	}
	if string(instance) != string(f.save.InstanceText) || string(shared) != string(f.save.SharedText) {
		t.Errorf("%s%s", instance, shared)
	}
	want := Manifest{
		Version: 1, Program: "ssovault", Instance: testInstance, Generation: 7, SaveID: f.save.SaveID, Time: testTime,
		Recipient: f.setup.Recipient, Signer: f.setup.Key.Signer().String(), Bound: f.save.Bound,
		Files: []Digest{digestOf(instanceName, f.save.InstanceText), digestOf(sharedName, f.save.SharedText)},
	}
	if diff := cmp.Diff(want, o.Manifest); diff != "" {
		t.Error(diff)
	}
	o.Wipe()
	if strings.Trim(string(instance), "\x00") != "" {
		t.Error("Wipe left the settings")
	}
}

// An administrator with age and tar alone gets the settings.
func TestAgeAndTarAreEnough(t *testing.T) {
	f := newFixture(t, Shares{})
	id, err := age.ParseX25519Identity(keyText(f.key))
	if err != nil {
		t.Fatal(err)
	}
	r, err := age.Decrypt(bytes.NewReader(f.file), id)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
		if h.Name == sharedName && string(b) != "sso_domain=acme\n" {
			t.Errorf("%s", b)
		}
	}
	if diff := cmp.Diff([]string{"recovery.json", "instance.properties", "shared.properties", "recovery.sig"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFlippedBitAndTruncationOfAFile(t *testing.T) {
	f := newFixture(t, Shares{})
	check := func(b []byte, what string) {
		o, err := Open(b, f.id)
		if err == nil {
			_, _, err = o.Trust(*f.id.Signer)
		}
		switch fault.Of(err) {
		case fault.Tampered, fault.Malformed, fault.Usage: // Usage: encrypted to somebody else, as far as age can tell
		default:
			t.Fatalf("%s: %v", what, err)
		}
	}
	b := bytes.Clone(f.file)
	for i := range b {
		for bit := range 8 {
			// In the middle of what is encrypted one bit of a byte is like another.
			if i > 300 && i < len(b)-32 && bit != i%8 {
				continue
			}
			b[i] ^= 1 << bit
			check(b, fmt.Sprintf("bit %d of byte %d flipped", bit, i))
			b[i] ^= 1 << bit
		}
	}
	for n := range b {
		check(b[:n], fmt.Sprintf("cut after %d bytes", n))
	}
	check(append(bytes.Clone(b), 0), "a byte appended")
}

// What somebody can make who has the recipient, or even the identity, but not
// the signing key.
func TestForgedFiles(t *testing.T) {
	f := newFixture(t, Shares{})
	other := newFixture(t, Shares{})
	mine := f.setup.Key.Signer()
	seal := func(s Setup, save Save) []byte {
		b, err := s.Seal(save)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	evil := Setup{Recipient: f.setup.Recipient, Key: NewSigningKey()}
	swapped := f.save
	swapped.InstanceText = settingsText(t, evil, testInstance)
	elsewhere := f.save
	elsewhere.InstanceText = settingsText(t, f.setup, "999999999999")
	without := f.save
	without.InstanceText = []byte("instance_number=" + testInstance + "\n")
	for name, b := range map[string][]byte{
		"signed by another":            seal(evil, swapped),
		"settings of another recovery": seal(f.setup, swapped),
		"settings of another instance": seal(f.setup, elsewhere),
		"settings without a recovery":  seal(f.setup, without),
	} {
		o, err := Open(b, f.id)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, _, err = o.Trust(mine)
		wantCause(t, err, fault.Tampered, name)
	}
	_, err := Open(other.file, f.id)
	wantCause(t, err, fault.Usage, "encrypted to another")

	// Another signer's name with a signature that is not his.
	manifest, err := Manifest{
		Version: 1, Program: "ssovault", Instance: testInstance, SaveID: f.save.SaveID, Time: testTime, Recipient: f.setup.Recipient,
		Signer: mine.String(), Files: []Digest{digestOf(instanceName, f.save.InstanceText), digestOf(sharedName, f.save.SharedText)}, Bound: []Digest{},
	}.encode()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := pack(testTime, manifest, f.save.InstanceText, f.save.SharedText, []byte(strings.Repeat("A", 86)+"==\n"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse(plain)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = o.Trust(mine)
	wantCause(t, err, fault.Tampered, "no signature of his")
}

func TestManifestIsStrict(t *testing.T) {
	f := newFixture(t, Shares{})
	o, err := Open(f.file, f.id)
	if err != nil {
		t.Fatal(err)
	}
	good, err := o.Manifest.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parseManifest(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"an unknown field": {`"program"`, `"more": 1, "program"`},
		"other spacing":    {`"version": 1`, `"version":  1`},
		"a name in front":  {`"version": 1`, `"Version": 1`},
		"no save":          {f.save.SaveID, "0A" + f.save.SaveID[2:]},
		"a path":           {"idp_metadata.xml", "../sks.properties"},
		"another program":  {`"ssovault"`, `"ssovaulx"`},
		"no instance":      {testInstance, testInstance[1:]},
		"no bound list":    {"\"bound\": [", "\"bind\": ["},
		"a fraction":       {"03:04:05Z", "03:04:05.5Z"},
	} {
		b := strings.Replace(string(good), change[0], change[1], 1)
		if b == string(good) {
			t.Fatalf("%s: nothing changed", name)
		}
		_, err := parseManifest([]byte(b))
		wantCause(t, err, fault.Malformed, name)
	}
	_, err = parseManifest([]byte(strings.Replace(string(good), `"version": 1`, `"version": 2`, 1)))
	if err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("a newer version: %v", err)
	}
}
