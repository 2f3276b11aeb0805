package p11test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Packages are tested in parallel, so the first build may happen twice at once.
func TestParallelBuildsGiveWholeFiles(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	type result struct {
		path string
		err  error
	}
	results := make(chan result)
	for range 3 {
		go func() {
			path, err := listBinary.build()
			if err == nil {
				_, err = os.Stat(path)
			}
			results <- result{path, err}
		}()
	}
	first := <-results
	for range 2 {
		if r := <-results; r.err != nil || r.path != first.path {
			t.Errorf("%v, %s and %s", r.err, r.path, first.path)
		}
	}
	if first.err != nil {
		t.Fatal(first.err)
	}
	again, err := listBinary.build()
	if err != nil || again != first.path {
		t.Errorf("%v, %s", err, again)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(first.path)), "build-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCacheThatOthersCouldPrepareIsRefused(t *testing.T) {
	shared := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("TMPDIR", shared)
	folder, err := cacheFolder()
	if err != nil || !strings.HasPrefix(folder, shared) {
		t.Fatalf("%s, %v", folder, err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if folder, err := cacheFolder(); err == nil {
		t.Errorf("%s was taken", folder)
	}
}
