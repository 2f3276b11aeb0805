package vault

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/recovery"
)

// newRecovery makes a recovery and the file of its identity.
func newRecovery(t *testing.T) (recovery.Setup, []byte) {
	t.Helper()
	key := recovery.NewKey()
	recipient, err := recovery.RecipientOf(key)
	if err != nil {
		t.Fatal(err)
	}
	s := recovery.Setup{Recipient: recipient, Key: recovery.NewSigningKey()}
	return s, recovery.IdentityFile(key, s.Public(), "123456789012", time.Unix(0, 0))
}

func TestTakeBackRemovesWhatWasAnnouncedAlone(t *testing.T) {
	f := &Folder{Layout: Layout{t.TempDir()}}
	for _, dir := range []string{f.Run(""), f.Data("")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	out := t.TempDir()
	mine, text := newRecovery(t)
	_, foreign := newRecovery(t)
	papers := []Paper{}
	for _, name := range []string{"as written", "another's", "empty", "gone", "a folder"} {
		papers = append(papers, Paper{filepath.Join(out, name), text})
	}
	if err := f.WriteOut(mine.Public(), papers); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteOut(mine.Public(), papers); fault.Of(err) != fault.Usage {
		t.Errorf("written over: %v", err)
	}
	for i, change := range []func(string) error{
		nil,
		func(path string) error { return os.WriteFile(path, foreign, 0o600) },
		func(path string) error { return os.Truncate(path, 0) },
		os.Remove,
		func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		},
	} {
		if change != nil {
			if err := change(papers[i].Path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.TakeBack(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(out + "/*")
	if err != nil || strings.Join(left, " ") != filepath.Join(out, "a folder")+" "+filepath.Join(out, "another's") {
		t.Errorf("%v %v", left, err)
	}
	if err := f.TakeBack(); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestBoundOf(t *testing.T) {
	digest := strings.Repeat("0a", 32)
	b, err := BoundOf([]recovery.Digest{{Name: MetadataFile, SHA256: digest}, {Name: KeyStorePEM, SHA256: digest}})
	if err != nil || b.KeyStore.Name != KeyStorePEM || b.Metadata.Name != MetadataFile || b.Metadata.SHA256[31] != 10 {
		t.Errorf("%+v %v", b, err)
	}
	for _, bad := range [][]recovery.Digest{
		{{Name: SKSFile, SHA256: digest}}, {{Name: MetadataFile, SHA256: digest[2:]}},
		{{Name: KeyStoreFile, SHA256: digest}, {Name: KeyStorePEM, SHA256: digest}},
	} {
		if _, err := BoundOf(bad); fault.Of(err) != fault.Malformed {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func TestWithoutRecovery(t *testing.T) {
	setup, _ := newRecovery(t)
	set, err := properties.Parse([]byte("# ours\nadmin_port=8080\nrecovery_mail=x\n"))
	if err != nil {
		t.Fatal(err)
	}
	plain := Plain{Instance: set.Encode(), Shared: []byte("a=b\n")}
	if got, err := plain.WithoutRecovery(); err != nil || string(got.Instance) != "# ours\nadmin_port=8080\nrecovery_mail=x\n" {
		t.Errorf("%s %v", got.Instance, err)
	}
	if err := setup.Write(set); err != nil {
		t.Fatal(err)
	}
	plain.Instance = set.Encode()
	if got, err := plain.WithoutRecovery(); err != nil || string(got.Instance) != "# ours\nadmin_port=8080\nrecovery_mail=x\n" {
		t.Errorf("%s %v", got.Instance, err)
	}
}
