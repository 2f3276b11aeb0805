package properties_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ssovault/internal/properties"
)

func parse(t testing.TB, file string) *properties.Set {
	t.Helper()
	s, err := properties.Parse([]byte(file))
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	return s
}

func TestChangesLeaveTheRest(t *testing.T) {
	t.Parallel()
	set := func(k, v string) func(*properties.Set) error {
		return func(s *properties.Set) error { return s.Set(k, v) }
	}
	unset := func(k string) func(*properties.Set) error {
		return func(s *properties.Set) error {
			if !s.Unset(k) {
				return errors.New("not there")
			}
			return nil
		}
	}
	public := func(k string) func(*properties.Set) error {
		return func(s *properties.Set) error { return s.MarkPublic(k) }
	}
	private := func(k string) func(*properties.Set) error {
		return func(s *properties.Set) error { s.UnmarkPublic(k); return nil }
	}
	for _, test := range []struct {
		name, file string
		change     func(*properties.Set) error
		want       string
	}{
		{"in place", "# c\na : 1\n\nb 2\n", set("a", "3"), "# c\na=3\n\nb 2\n"},
		{"same value", "a : 1\n", set("a", "1"), "a : 1\n"},
		{"same value of a duplicate", "a=0\n#c\na : 1\n", set("a", "1"), "#c\na : 1\n"},
		{"duplicates", "a=1\n#c\na=2\nb=3\n", set("a", "4"), "#c\na=4\nb=3\n"},
		{"new", "a : 1\n", set("b", "2"), "a : 1\nb=2\n"},
		{"new with the file's line ends", "#c\r\na : 1\r\n", set("b", "2"), "#c\r\na : 1\r\nb=2\r\n"},
		{"after a line without end", "a : 1", set("b", "2"), "a : 1\nb=2\n"},
		{"after a comment without end", "#c", set("b", "2"), "#c\nb=2\n"},
		{"after a backslash", `a : 1\`, set("b", "2"), "a=1\nb=2\n"},
		{"after a backslash and a line end", "a : 1\\\n", set("b", "2"), "a=1\nb=2\n"},
		{"after a continuation by nothing", "\\\r\n", set("b", "2"), "\\\r\n\r\nb=2\r\n"},
		{"in place of the open line", `a : 1\`, set("a", "2"), "a=2\n"},
		{"unset", "#c\na=1\nb=2\na=3\n", unset("a"), "#c\nb=2\n"},
		{"unset the open line", "b=2\na=1\\", unset("a"), "b=2\n"},
		{"mark", "b=2\na : 1\n", public("a"), "b=2\n#ssovault public: a\na : 1\n"},
		{"mark escaped", "\\ \\u00e9=1\n", public(" é"), "#ssovault public: \\ \\u00E9\n\\ \\u00e9=1\n"},
		{"mark of nothing", "b=2\n", public("a"), "b=2\n"},
		{"mark twice", "#ssovault public: a\na=1\n", public("a"), "#ssovault public: a\na=1\n"},
		{"mark goes with its key", "#ssovault public: a\na=1\nb=2\n", unset("a"), "b=2\n"},
		{"mark at the end goes with its key", "a=1\nb=2\n#ssovault public: a", unset("a"), "b=2\n"},
		{"stale mark", "#ssovault public: a\nb=2\n", set("a", "1"), "b=2\na=1\n"},
		{"unmark", "#ssovault public: a\na=1\n", private("a"), "a=1\n"},
		{"UTF-8 becomes ASCII", "\uFEFFü : 😀\n", set("b", "2"), "\\u00FC=\\uD83D\\uDE00\nb=2\n"},
		{"Latin-1 becomes ASCII", "# \xe9\n\xe9=1\n", set("b", "2"), "# \xe9\n\\u00E9=1\nb=2\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := parse(t, test.file)
			clone := s.Clone()
			before := string(clone.Encode())
			if err := test.change(s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(s.Encode())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if string(clone.Encode()) != before {
				t.Error("the clone changed with it")
			}
		})
	}
}

func TestMarksSurviveTheFile(t *testing.T) {
	t.Parallel()
	s := parse(t, "a=1\nb=2\nc d=3\n")
	for _, k := range []string{"a", "b"} {
		if err := s.MarkPublic(k); err != nil {
			t.Fatal(err)
		}
	}
	s.UnmarkPublic("b")
	if err := s.Set("a", "new"); err != nil {
		t.Fatal(err)
	}
	again := parse(t, string(s.Encode()))
	for key, want := range map[string]bool{"a": true, "b": false, "c": false, "nothing": false} {
		if got := again.IsPublic(key); got != want || s.IsPublic(key) != want {
			t.Errorf("IsPublic(%q) = %v after reading", key, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file string
		want error
		line int
	}{
		{"a=1\nb=\\u00\n", properties.ErrEscape, 2},
		{"a=1\r\n\r\nb=\\uD83D\r\n", properties.ErrSurrogate, 3},
		{"a=1\r#\rb\\uDE00=1", properties.ErrSurrogate, 3},
		{"b=\\uD83D\\uD83D", properties.ErrSurrogate, 1},
		{"b=\\uD83Dx", properties.ErrSurrogate, 1},
		{"b=\\uD83D\\u12", properties.ErrEscape, 1},
		{"\xff\xfea\x00", properties.ErrUTF16, 0},
		{"\xfe\xff\x00a", properties.ErrUTF16, 0},
		{"\xef\xbb\xbfa=\xe9", properties.ErrMixedEncoding, 0},
		{strings.Repeat("#", properties.MaxSize+1), properties.ErrTooLarge, 0},
		{"a=" + strings.Repeat("é", properties.MaxSize/4), properties.ErrTooLarge, 0},
		{strings.Repeat("a\n", 1<<20+1), properties.ErrTooLarge, 0},
	} {
		_, err := properties.Parse([]byte(test.file))
		if !errors.Is(err, test.want) {
			t.Errorf("%.20q: %v, not %v", test.file, err, test.want)
		}
		var syntax *properties.SyntaxError
		if errors.As(err, &syntax) != (test.line > 0) || syntax != nil && syntax.Line != test.line {
			t.Errorf("%q: %v, not of line %d", test.file, err, test.line)
		}
	}
}

func TestSetRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	s := parse(t, "a=1")
	for _, pair := range [][2]string{{"a", "\xff"}, {"\xed\xa0\x80", "1"}} {
		if err := s.Set(pair[0], pair[1]); !errors.Is(err, properties.ErrNotUTF8) {
			t.Errorf("Set(%q, %q) = %v", pair[0], pair[1], err)
		}
	}
	// What is set must also be read again: the limit is the file's.
	room := strings.Repeat("x", properties.MaxSize-len("a=1\nb=\n"))
	if err := s.Set("b", room+"x"); !errors.Is(err, properties.ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	if err := s.Set("b", room); err != nil {
		t.Fatal(err)
	}
	if err := s.MarkPublic("b"); !errors.Is(err, properties.ErrTooLarge) {
		t.Errorf("a mark too many: %v", err)
	}
	if err := s.Set("b", room+"x"); !errors.Is(err, properties.ErrTooLarge) {
		t.Errorf("one byte too many: %v", err)
	}
	file := s.Encode()
	if len(file) != properties.MaxSize {
		t.Errorf("%d bytes", len(file))
	}
	if again := parse(t, string(file)); !again.Equal(s) {
		t.Error("the largest file is not read again as it was")
	}
}

// TestSetIsAMap holds a Set against a map and a list through any changes, and
// against its own file after each.
func TestSetIsAMap(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom(append(awkward, "\n#", "#ssovault public: a"))
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "pieces"), "") })
	key := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "c", "v", "k", ""}), text)
	rapid.Check(t, func(t *rapid.T) {
		file := strings.Join(rapid.SliceOfN(rapid.SampledFrom(shapes), 0, 20).Draw(t, "file"), "")
		s, err := properties.Parse([]byte(file))
		if err != nil {
			s = &properties.Set{}
		}
		want, public := content(s), map[string]bool{}
		for k := range want {
			public[k] = s.IsPublic(k)
		}
		for range rapid.IntRange(0, 100).Draw(t, "changes") {
			k := key.Draw(t, "key")
			_, there := want[k]
			switch rapid.IntRange(0, 3).Draw(t, "change") {
			case 0:
				v := text.Draw(t, "value")
				if err := s.Set(k, v); err != nil {
					t.Fatal(err)
				}
				want[k], public[k] = v, there && public[k]
			case 1:
				if s.Unset(k) != there {
					t.Fatalf("Unset(%q) = %v", k, !there)
				}
				delete(want, k)
				delete(public, k)
			case 2:
				if err := s.MarkPublic(k); err != nil {
					t.Fatal(err)
				}
				public[k] = there
			case 3:
				s.UnmarkPublic(k)
				public[k] = false
			}
			encoded := s.Encode()
			again, err := properties.Parse(encoded)
			if err != nil {
				t.Fatalf("%q: %v", encoded, err)
			}
			for name, set := range map[string]*properties.Set{"set": s, "read again": again, "clone": s.Clone()} {
				if diff := cmp.Diff(want, content(set)); diff != "" || set.Len() != len(want) || !set.Equal(s) {
					t.Fatalf("%s: %q (-want +got):\n%s", name, encoded, diff)
				}
				for k := range want {
					if set.IsPublic(k) != public[k] {
						t.Fatalf("%s: %q: IsPublic(%q) = %v", name, encoded, k, !public[k])
					}
				}
			}
		}
	})
}

func TestManyChangesStayLinear(t *testing.T) {
	t.Parallel()
	s := &properties.Set{}
	const n = 200_000
	for i := range n {
		if err := s.Set(fmt.Sprint("key", i), "value"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n - 1 {
		if !s.Unset(fmt.Sprint("key", i)) {
			t.Fatal(i)
		}
	}
	if got := string(s.Encode()); got != fmt.Sprintf("key%d=value\n", n-1) {
		t.Errorf("%q", got)
	}
}

func TestKeysAreInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	s := parse(t, "c=1\na=2\nc=3\nb=4\n")
	if diff := cmp.Diff([]string{"a", "c", "b"}, s.Keys()); diff != "" {
		t.Error(diff)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "a=b", "#c\r\na : b\\\n  c\r", "\\", "\\\n", "\uFEFFé=😀", "\xe9=\xe9", "a=\\uD83D\\uDE00", "#ssovault public: a\na=1", "\\\r\n#ssovault public: a\na=1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := properties.Parse(file)
		if err != nil {
			return
		}
		encoded := s.Encode()
		again, err := properties.Parse(encoded)
		if err != nil {
			t.Fatalf("%q became %q: %v", file, encoded, err)
		}
		if !again.Equal(s) || !s.Equal(again) {
			t.Fatalf("%q became %q: %q, not %q", file, encoded, content(again), content(s))
		}
		if twice := again.Encode(); string(twice) != string(encoded) {
			t.Fatalf("%q became %q, then %q", file, encoded, twice)
		}
		for _, k := range s.Keys() {
			if again.IsPublic(k) != s.IsPublic(k) {
				t.Fatalf("%q became %q: mark of %q lost or found", file, encoded, k)
			}
		}
		if err := s.Set("a new key", "value"); err != nil {
			t.Fatal(err)
		}
		grown := parse(t, string(s.Encode()))
		if !grown.Equal(s) {
			t.Fatalf("%q grew to %q", file, s.Encode())
		}
	})
}
