package backup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

func layout(t *testing.T) vault.Layout {
	t.Helper()
	l := vault.Layout{Base: t.TempDir()}
	if err := os.Mkdir(Folder(l), 0o700); err != nil {
		t.Fatal(err)
	}
	return l
}

// needing is the manifest of an archive that needs a key.
func needing(id sks.KeyID) Manifest {
	return Manifest{Key: &Key{ID: id}, Time: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}
}

// paths lists what the register holds.
func paths(t *testing.T, l vault.Layout) []string {
	t.Helper()
	r, err := readRegister(l)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range r.Backups {
		all = append(all, e.Path)
	}
	if r.More {
		all = append(all, "more")
	}
	return all
}

func TestRegister(t *testing.T) {
	l := layout(t)
	one, two := sks.NewKeyID(), sks.NewKeyID()
	in := func(path string, id sks.KeyID) bool {
		t.Helper()
		fresh, err := enter(l, path, needing(id))
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	if !in("/mnt/a", one) || in("/mnt/a", one) || !in("/mnt/a", two) {
		t.Error("an archive is registered once for each key")
	}
	if fresh, err := enter(l, "/mnt/clear", Manifest{}); fresh || err != nil {
		t.Errorf("one that needs no key: %v, %v", fresh, err)
	}
	// ssovault's own folder: what was pruned is forgotten at the next entry.
	in(filepath.Join(Folder(l), "gone"), one)
	in("/mnt/b", one)
	if diff := cmp.Diff([]string{"/mnt/a", "/mnt/a", "/mnt/b"}, paths(t, l)); diff != "" {
		t.Error(diff)
	}
	if err := strike(l, "/mnt/b", needing(one)); err != nil {
		t.Fatal(err)
	}
	if err := ForgetKeys(l, two); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/mnt/a"}, paths(t, l)); diff != "" {
		t.Error(diff)
	}
}

// A folder that is reached by a link is the same folder.
func TestRegisterKnowsItsFolder(t *testing.T) {
	l := layout(t)
	behind := l.Base + "-link"
	if err := os.Symlink(l.Base, behind); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(behind)
	linked := vault.Layout{Base: behind}
	if _, err := enter(linked, filepath.Join(Folder(l), "x"), needing(sks.NewKeyID())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Join(Folder(linked), "x")}, paths(t, linked)); diff != "" {
		t.Error(diff)
	}
}

func TestRegisterHasLimits(t *testing.T) {
	for name, length := range map[string]int{"many": 20, "long names": 3000} {
		l := layout(t)
		r := register{Version: registerVersion}
		id := sks.NewKeyID()
		for i := range maxRegistered {
			if (i+1)*(length+100) >= maxRegister {
				break
			}
			r.Backups = append(r.Backups, registered{Path: fmt.Sprintf("/%0*d", length, i), Key: id})
		}
		if err := changeRegister(l, func(had *register) bool { *had = r; return true }); err != nil {
			t.Fatal(err)
		}
		last := "/last" + strings.Repeat("x", length)
		if _, err := enter(l, last, needing(id)); err != nil {
			t.Fatal(err)
		}
		got := paths(t, l)
		if name == "many" && got[len(got)-1] != "more" {
			t.Errorf("%s: it forgot some and does not say so", name)
		}
		if !strings.Contains(strings.Join(got[len(got)-2:], " "), last) {
			t.Errorf("%s: it forgot the newest", name)
		}
		all, err := Search{Layout: l}.Needs()
		if name == "many" && (err != nil || !all[len(all)-1].Any) {
			t.Errorf("%s: what was forgotten needs no key: %v", name, err)
		}
	}
}

// Several backups at once lose no entry.
func TestRegisterIsChangedByOneAtATime(t *testing.T) {
	l := layout(t)
	var all sync.WaitGroup
	const n = 16
	for i := range n {
		all.Go(func() {
			if _, err := enter(l, fmt.Sprintf("/mnt/%d", i), needing(sks.NewKeyID())); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := paths(t, l); len(got) != n {
		t.Errorf("%d of %d: %v", len(got), n, got)
	}
}

// FuzzRegister: what is accepted is within the limits, and comes back the same.
func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		`{"version":1,"backups":[]}`, `{"version":2,"backups":[]}`, `{"version":1,"backups":[]} x`, `{"version":1,"other":1}`, ``, `[]`,
		`{"version":1,"backups":[{"path":"/mnt/a","key_id":"00112233445566778899aabbccddeeff","time":"2026-11-22T00:00:00Z"}],"more":true}`,
		`{"version":1,"backups":[{"path":"a","key_id":"00112233445566778899aabbccddeeff","time":"2026-11-22T00:00:00Z"}]}`,
		`{"version":1,"backups":[{"path":"/a/../b","key_id":"00112233445566778899aabbccddeeff","time":"2026-11-22T00:00:00Z"}]}`,
		`{"version":1,"backups":[{"path":"/a","key_id":"0011","time":"2026-11-22T00:00:00Z"}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRegister(b)
		if err != nil {
			if fault.Of(err) != fault.Malformed {
				t.Errorf("%v", err)
			}
			return
		}
		if r.Version != registerVersion || len(r.Backups) > maxRegistered {
			t.Errorf("%+v", r)
		}
		for _, e := range r.Backups {
			if !filepath.IsAbs(e.Path) || filepath.Clean(e.Path) != e.Path {
				t.Errorf("the path %q", e.Path)
			}
		}
	})
}
