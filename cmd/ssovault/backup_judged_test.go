package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// An archive that is whole, but of which restore would say that its files are
// not what its manifest says, is none to verify, and none that prune keeps in the
// place of a good one.
func TestAWholeArchiveOfSomethingElse(t *testing.T) {
	c := newConnector(t)
	c.configure()
	good := strings.TrimSpace(c.must("backup", "--plaintext"))
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	forged := forge(t, b)
	name := filepath.Base(good)
	newer := filepath.Join(c.base, "backups", name[:strings.Index(name, "-g")]+"-g9-20990101-000000.tar.zst")
	if err := os.WriteFile(newer, forged, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", "verify", newer}, {"restore", "--dry-run", newer}} {
		if o := c.run(args...); o.code != 28 || !strings.Contains(o.stderr, "names another save") {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
	c.must("backup", "verify", good)
	c.run("backup", "prune", "--keep-last", "1")
	if _, err := os.Stat(good); err != nil {
		t.Errorf("prune has removed the last good backup: %v", err)
	}
}

// forge lets the manifest of an archive name another generation.
func forge(t *testing.T, archive []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var packed bytes.Buffer
	e, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	in, out := tar.NewReader(d), tar.NewWriter(e)
	for first := true; ; first = false {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		body, readErr := io.ReadAll(in)
		if err != nil || readErr != nil {
			t.Fatal(err, readErr)
		}
		if first {
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			m["generation"] = 9
			if body, err = json.Marshal(m); err != nil {
				t.Fatal(err)
			}
			h.Size = int64(len(body))
		}
		if err := errors.Join(out.WriteHeader(h), errorOf(out.Write(body))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(out.Close(), e.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func errorOf(_ int, err error) error { return err }
