package vault

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/durable"
)

// leave writes what a save left beside a file.
func (i *install) leave(name string) (left string) {
	i.t.Helper()
	path := Layout{i.base}.beside(name, strings.Repeat("cd", 16))
	if err := os.WriteFile(path, []byte("shared_secret_key=canary"), 0o600); err != nil {
		i.t.Fatal(err)
	}
	left, _ = filepath.Rel(i.base, path)
	return left
}

func (i *install) leftovers() []string {
	i.t.Helper()
	f := i.open(Look)
	defer f.Close()
	left, err := f.Leftovers()
	if err != nil {
		i.t.Fatal(err)
	}
	return left
}

// What a save left in the clear is named, and goes with the next start.
func TestLeftovers(t *testing.T) {
	i := newInstall(t)
	i.configure()
	i.leave("data/" + InstanceEncp) // sealed: nobody's secret
	want := []string{i.leave(pinEntry), i.leave("data/" + InstanceClear), i.leave("data/" + SharedClear)}
	for range 2 { // to look changes nothing
		if diff := cmp.Diff(want, i.leftovers()); diff != "" {
			t.Fatal(diff)
		}
	}
	beside := i.open(Read) // tidies, and would at once again
	i.leave("data/" + SharedClear)
	if p, _, err := i.unseal(true); err != nil || !bytes.Contains(p.Shared, []byte("sso_domain")) {
		t.Fatalf("beside another reader: %q, %v", p.Shared, err)
	}
	if left := i.leftovers(); len(left) != 1 {
		t.Errorf("removed under another reader: %q", left)
	}
	beside.Close()
	if _, _, err := i.unseal(true); err != nil {
		t.Fatal(err)
	}
	if left := i.leftovers(); len(left) != 0 {
		t.Errorf("left after a start: %q", left)
	}
}

// A save that sealed what was clear, and was cut off before it removed that.
func TestLeftoversOfASaveThatHolds(t *testing.T) {
	i := newInstall(t)
	i.configure()
	i.write(SharedClear, []byte("shared_secret_key=canary"))
	f := i.open(Change)
	waiting := f.beside(pinEntry, strings.Repeat("ab", 16))
	if err := os.WriteFile(waiting, []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Close()
	i.write(journalFile, jsonOf(t, journal{Version: journalVersion, SaveID: strings.Repeat("ab", 16), Entries: []journalEntry{
		{Name: "data/" + SharedClear, Remove: true}, {Name: pinEntry, SHA256: sumOf([]byte("1234"))},
	}}))
	if diff := cmp.Diff([]string{"data/" + SharedClear}, i.leftovers()); diff != "" {
		t.Error(diff)
	}
	if _, _, err := i.unseal(true); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{i.data(SharedClear), i.data(journalFile), waiting} {
		if there, err := durable.Exists(path); err != nil || there {
			t.Errorf("%s: there %v, %v", path, there, err)
		}
	}
}

// A start does not fail for what it cannot remove.
func TestLeftoversThatStay(t *testing.T) {
	i := newInstall(t)
	i.configure()
	left := i.leave("data/" + SharedClear)
	path := filepath.Join(i.base, left)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// A folder with something in it cannot be removed by anybody, root included.
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Open(context.Background(), i.base, Read, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.lock == nil {
		t.Error("the folder is read without a lock")
	}
	if _, err := f.Scan(BoundPresent); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}
