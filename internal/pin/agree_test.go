package pin

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/secret"
)

func TestAgrees(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"right": 0o600, "wrong": 0o600, "open": 0o644} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(map[bool]string{true: "other\n", false: "1234\n"}[name == "wrong"]), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask said
			t.Fatal(err)
		}
	}
	r := Reader{UID: os.Geteuid(), LookupEnv: os.LookupEnv}
	for source, want := range map[string]struct {
		read, notYet bool
		cause        fault.Cause
	}{
		"file":                        {},
		"prompt":                      {},
		"fd:7":                        {},
		"file:" + dir + "/right":      {read: true},
		"file:" + dir + "/wrong":      {cause: fault.Usage},
		"file:" + dir + "/open":       {cause: fault.NotPermitted},
		"file:" + dir + "/missing":    {notYet: true},
		"file:relative":               {cause: fault.Usage},
		"env:SSOVAULT_TEST_NOT_THERE": {notYet: true},
		"command:echo 1234":           {read: true},
	} {
		s, err := ParseSource(source)
		if err != nil {
			t.Fatal(err)
		}
		read, notYet, err := r.Agrees(context.Background(), s, secret.New([]byte("1234")))
		if read != want.read || (notYet != nil) != want.notYet || fault.Of(err) != want.cause || (err == nil) != (want.cause == fault.Unclassified) {
			t.Errorf("%s: %v, %v, %v", source, read, notYet, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := r.Agrees(ctx, Source{Kind: KindFile, Arg: dir + "/right"}, secret.New([]byte("1234"))); fault.Of(err) != fault.Interrupted {
		t.Errorf("interrupted: %v", err)
	}
}
