package backup

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPolicy(t *testing.T) {
	at := func(s string) Stored {
		when, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return Stored{Instance: "1", Time: when, Path: s}
	}
	all := []Stored{at("2026-03-02 03:00"), at("2026-03-02 01:00"), at("2026-03-01 03:00"), at("2026-02-28 03:00"),
		at("2026-02-27 03:00"), at("2026-02-14 03:00"), at("2026-01-31 03:00"), at("2025-12-31 03:00")}
	other := at("2020-01-01 00:00")
	other.Instance = "2"
	all = append(all, other)
	for _, row := range []struct {
		policy Policy
		want   string
	}{
		{Policy{Last: 1}, "0 8"},
		{Policy{Last: 3}, "0 1 2 8"},
		{Policy{Daily: 3}, "0 2 3 8"},
		{Policy{Weekly: 2}, "0 2 8"},
		{Policy{Monthly: 3}, "0 3 6 8"},
		{Policy{Monthly: 100}, "0 3 6 7 8"},
		{Policy{Last: 2, Daily: 2, Monthly: 2}, "0 1 2 3 8"},
		{Policy{}, ""},
	} {
		var kept []string
		for i, why := range row.policy.Choose(all) {
			if len(why) > 0 {
				kept = append(kept, fmt.Sprint(i))
			}
		}
		if got := strings.Join(kept, " "); got != row.want {
			t.Errorf("%+v keeps %s, want %s", row.policy, got, row.want)
		}
	}
}

// Whatever the times are: the newest stays, no more than the rules allow, and
// a wider policy keeps all that a narrower one does.
func TestPolicyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, 1<<31), 1, 40).Draw(t, "times")
		slices.SortFunc(times, func(a, b int64) int { return int(b - a) })
		var all []Stored
		for _, s := range times {
			all = append(all, Stored{Instance: "1", Time: time.Unix(s, 0).UTC()})
		}
		n := rapid.IntRange(0, 5)
		p := Policy{n.Draw(t, "last"), n.Draw(t, "daily"), n.Draw(t, "weekly"), n.Draw(t, "monthly")}
		wider := Policy{p.Last + 1, p.Daily + 1, p.Weekly + 1, p.Monthly + 1}
		kept := 0
		more := wider.Choose(all)
		for i, why := range p.Choose(all) {
			if len(why) > 0 {
				kept++
				if len(more[i]) == 0 {
					t.Fatalf("%+v keeps %d, and %+v does not", p, i, wider)
				}
			}
		}
		if kept > p.Last+p.Daily+p.Weekly+p.Monthly {
			t.Fatalf("%d kept by %+v", kept, p)
		}
		if p.Keeps() && len(p.Choose(all)[0]) == 0 {
			t.Fatalf("%+v lets the newest go", p)
		}
	})
}

func TestStores(t *testing.T) {
	dir := t.TempDir()
	m := Manifest{Instance: "123456789012", Generation: 7, Time: draftTime}
	want := []string{}
	for _, encrypted := range []bool{false, true} {
		for n := 1; n <= 11; n += 5 {
			want = append(want, nameOf(m, encrypted, n))
		}
	}
	later := m
	later.Time = m.Time.Add(time.Hour)
	want = append(want, nameOf(later, false, 1))
	for _, name := range append(want, "notes.txt", ".ssovault-123456789012-g7-20261122-010203.tar.zst.new", "ssovault-1-g7-20261122-010203.tar.zst",
		"ssovault-123456789012-g7-20269922-010203.tar.zst", "ssovault-123456789012-g99999999999999999999-20261122-010203.tar.zst") {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("notes.txt", filepath.Join(dir, nameOf(m, false, 99))); err != nil {
		t.Fatal(err)
	}
	all, err := Stores(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, filepath.Base(s.Path))
		if s.Generation != 7 || s.Instance != m.Instance || s.Encrypted != strings.HasSuffix(s.Path, ".age") {
			t.Errorf("%+v", s)
		}
	}
	if got[0] != want[len(want)-1] {
		t.Errorf("the newest is %s", got[0])
	}
	if !strings.Contains(got[1], "-11.tar") || !strings.Contains(got[3], "-6.tar") {
		t.Errorf("within a second, the highest number is not the newest: %v", got)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all, err := Stores(filepath.Join(dir, "absent")); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}
