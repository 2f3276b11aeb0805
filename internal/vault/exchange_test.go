package vault

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssovault/internal/fault"
)

var restoreTime = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)

// staged prepares a copy of data/ with a file of its own.
func (i *install) staged(f *Folder) *Staging {
	i.t.Helper()
	s, err := f.Stage()
	if err != nil {
		i.t.Fatal(err)
	}
	entries, err := os.ReadDir(i.data(""))
	if err != nil {
		i.t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() || e.Name() == stagedName {
			continue
		}
		if err := os.WriteFile(filepath.Join(s.Path, e.Name()), i.read(e.Name()), 0o600); err != nil {
			i.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(s.Path, "mine.sql"), []byte("new"), 0o600); err != nil {
		i.t.Fatal(err)
	}
	return s
}

// Both ways of putting a folder in the place of data/ come to the same.
func TestExchange(t *testing.T) {
	for _, way := range []string{"in one step", "by name"} {
		t.Run(way, func(t *testing.T) {
			i := newInstall(t)
			i.configure()
			i.write("mine.sql", []byte("old"))
			i.write("only-old", []byte("x"))
			f := i.open(Change)
			s := i.staged(f)
			var kept string
			var err error
			if way == "in one step" {
				kept, err = s.Exchange(restoreTime)
			} else {
				kept = restoredPrefix + "20261122-010203"
				err = s.byName(exchange{Version: exchangeVersion, Kept: kept, Staged: s.rel})
			}
			if err != nil || kept != "data.before-restore-20261122-010203" {
				t.Fatalf("%q, %v", kept, err)
			}
			if got := string(i.read("mine.sql")); got != "new" {
				t.Errorf("data/ holds %q", got)
			}
			// only-old was copied into the prepared folder as well.
			for name, want := range map[string]string{"mine.sql": "old", "only-old": "x"} {
				if b, err := os.ReadFile(filepath.Join(i.base, kept, name)); err != nil || string(b) != want {
					t.Errorf("kept %s: %q, %v", name, b, err)
				}
			}
			f.Close()
			if _, _, err := i.unseal(true); err != nil {
				t.Error(err)
			}
			for _, left := range []string{stagedName, keepingName, "run/restore.json", "data/" + markerName} {
				if _, err := os.Lstat(filepath.Join(i.base, left)); err == nil {
					t.Errorf("left behind: %s", left)
				}
			}
			all, err := f.Kept()
			if err != nil || len(all) != 1 || filepath.Base(all[0]) != kept {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
}

// Whoever comes next, to read or to look, finishes a restore that was cut off.
func TestReadersFinishARestore(t *testing.T) {
	for _, use := range []Use{Look, Read, Change} {
		i := newInstall(t)
		i.configure()
		f := i.open(Change)
		s := i.staged(f)
		j := exchange{Version: exchangeVersion, Kept: restoredPrefix + "20261122-010203", Staged: s.rel}
		if err := f.writeExchange(j); err != nil { // no marker: the exchange has happened
			t.Fatal(err)
		}
		f.Close()
		f = i.open(use)
		f.Close()
		if _, err := os.Stat(filepath.Join(i.base, j.Kept)); err != nil {
			t.Errorf("use %d: %v", use, err)
		}
		if had, err := f.readExchange(); had != nil || err != nil {
			t.Errorf("use %d: the journal is still there: %v, %v", use, had, err)
		}
	}
}

// A journal that came from elsewhere must not reach outside.
func TestHostileRestoreJournal(t *testing.T) {
	for _, text := range []string{
		`{"version":1,"kept":"../evil","staged":".data.restoring"}`,
		`{"version":1,"kept":"data","staged":".data.restoring"}`,
		`{"version":1,"kept":"data.before-restore-x","staged":"../elsewhere"}`,
		`{"version":1,"kept":"data.before-restore-x","staged":".data.restoring","by_name":true,"names":["../x"]}`,
		`{"version":1,"kept":"data.before-restore-x/../../y","staged":".data.restoring"}`,
		`{"version":2}`, `nonsense`,
	} {
		i := newInstall(t)
		i.configure()
		if err := os.WriteFile(filepath.Join(i.base, "run", "restore.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(context.Background(), i.base, Read, time.Second)
		if c := fault.Of(err); c != fault.MixedConfiguration && c != fault.Malformed {
			t.Errorf("%s: %v", text, err)
		}
		if !strings.Contains(string(i.read(SharedEncp)), "ssovault sealed file") {
			t.Errorf("%s: data/ has changed", text)
		}
	}
}
