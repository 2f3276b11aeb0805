package vault

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnknownKeys(t *testing.T) {
	i := newInstall(t)
	i.configure()
	i.change("x.example.com")
	scanned := func() SKS {
		f := i.open(Look)
		defer f.Close()
		c, err := f.Scan(BoundPresent)
		if err != nil {
			t.Fatal(err)
		}
		return c.SKS
	}
	written := i.read(SKSFile)
	// What ssovault writes it knows, and what the preamble offers.
	i.write(SKSFile, append(written, []byte("rollback=refuse\nsks.timeout.question=5s\nsks.timeout.use=5s\nsks.timeout.make=5s\n")...))
	if got := scanned().Unknown(); len(got) != 0 || UnknownText(got) != "" {
		t.Errorf("%v", got)
	}
	if got := (SKS{}).Unknown(); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for key, want := range map[string]string{
		"rolback": "rollback", "Rollback": "rollback", "sks.rollback": "rollback", "roll_back": "rollback",
		"sks.timeout": "sks.timeout.use", "timeout.make": "sks.timeout.make", "sks.timeouts.question": "sks.timeout.question",
		"pin": "sks.pin", "sks.rolle": "sks.role", "recovery.share": "recovery.shares",
		"my.own": "", "x": "", "sks.password": "", "sks.token": "sks.token.label", strings.Repeat("rollback", 9): "",
	} {
		i.write(SKSFile, append(written, []byte(key+"=canary\n")...))
		got := scanned().Unknown()
		if diff := cmp.Diff([]UnknownKey{{key, want}}, got); diff != "" {
			t.Error(diff)
		}
		text := UnknownText(got)
		if !strings.Contains(text, `"`+key+`"`) || strings.Contains(text, "canary") || want != "" && !strings.Contains(text, want+" meant") {
			t.Errorf("%s: %s", key, text)
		}
	}
	for _, line := range []string{"canary", "canary=", "canary:\n"} {
		i.write(SKSFile, append(written, []byte(line+"\n")...))
		if text := UnknownText(scanned().Unknown()); !strings.HasSuffix(text, ": a line without a value") {
			t.Error(text)
		}
	}
	var many strings.Builder
	for n := range 12 {
		many.WriteString(strings.Repeat("y", n+1) + "=1\n")
	}
	i.write(SKSFile, append(written, many.String()...))
	if text := UnknownText(scanned().Unknown()); !strings.HasSuffix(text, ", 4 more") {
		t.Error(text)
	}
}

func TestEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"kitten", "sitting", 3}, {"ab", "ba", 2}, {"rolback", "rollback", 1}} {
		if got := edits(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
