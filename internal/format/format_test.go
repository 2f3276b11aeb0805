package format

import (
	"errors"
	"strings"
	"testing"

	"ssovault/internal/fault"
)

func TestCheckVersion(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ours 1\n", ""}, {"ours 2\nanything", ""},
		{"", "this is not a text of ssovault"}, {"our", "this is not"}, {"theirs 1\n", "this is not"},
		{"ours 3\n", "newer version"}, {"ours 4294967295\n", "newer version"},
		{"ours ", "names no version"}, {"ours 1", "names no version"}, {"ours 0\n", "names no version"}, {"ours 01\n", "names no version"},
		{"ours +1\n", "names no version"}, {"ours 1\r\n", "names no version"}, {"ours 99999999999\n", "names no version"},
		{"ours " + strings.Repeat("1", 100) + "\n", "names no version"},
	} {
		err := CheckVersion([]byte(c.text), "ours ", "a text", 2)
		if c.want == "" && err != nil || c.want != "" && (fault.Of(err) != fault.Malformed || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: %v; want %q", c.text, err, c.want)
		}
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"ours 1\na: 1\nb: : 2\n\n", ""},
		{"ours 1\na: 1\n", `line 3 is not the field "b"`}, {"ours 1\na: 1", `no field "b"`}, {"ours 1", `no field "a"`}, {"", `no field "a"`},
		{"ours 1\nb: : 2\na: 1\n\n", `line 2 is not the field "a"`}, {"ours 1\na:1\nb: : 2\n\n", `line 2 is not the field "a"`},
		{"ours 1\na: 3\nb: : 2\n\n", `field "a": not one`},
		{"ours 1\na: 1\nb: : 2\n", "line 4: more fields"}, {"ours 1\na: 1\nb: : 2", "line 4: more fields"},
		{"ours 1\na: 1\nb: : 2\nc: 3\n\n", "line 4: more fields"}, {"ours 1\na: 1\nb: : 2\n\n\n", "line 4: more fields"},
	} {
		f := NewFields([]byte(c.text))
		if a := f.Next("a"); a != "1" {
			f.Check("a", errors.New("not one"))
		}
		b := f.Next("b")
		ok := f.OK()
		err := f.End()
		if c.want == "" && (err != nil || !ok || b != ": 2") || c.want != "" && (err == nil || err.Error() != c.want && !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%q: %q, %v; want %q", c.text, b, err, c.want)
		}
		if ok && err != nil && !strings.Contains(c.want, "more fields") {
			t.Errorf("%q: the error came late: %v", c.text, err)
		}
	}
}
