package recovery

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ssovault/internal/fault"
)

// dealt gives the shares of a fixture, under names.
func dealt(t tb, f fixture) []Named {
	t.Helper()
	shares, err := Deal(f.key, f.setup, testInstance, testTime)
	if err != nil {
		t.Fatal(err)
	}
	var all []Named
	for _, s := range shares {
		read, err := ParseShare(s.Text())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Named{fmt.Sprintf("share-%d", s.Index), read})
	}
	return all
}

func TestAnyKOfNSharesOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 7).Draw(t, "n")
		k := rapid.IntRange(2, n).Draw(t, "k")
		f := newFixture(t, Shares{k, n})
		some := rapid.Permutation(dealt(t, f)).Draw(t, "order")
		id, err := Combine(some[:rapid.IntRange(k, n).Draw(t, "given")])
		if err != nil {
			t.Fatal(err)
		}
		o, err := Open(f.file, id)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.Trust(*id.Signer); err != nil {
			t.Fatal(err)
		}
		if id.Instance != testInstance {
			t.Errorf("instance %q", id.Instance)
		}
		_, err = Combine(some[:k-1])
		if fault.Of(err) != fault.Usage {
			t.Errorf("%d of %d: %v", k-1, k, err)
		}
	})
}

func TestEveryFlippedBitAndTruncationOfAShare(t *testing.T) {
	f := newFixture(t, Shares{2, 3})
	shares, err := Deal(f.key, f.setup, testInstance, testTime)
	if err != nil {
		t.Fatal(err)
	}
	text := shares[1].Text()
	check := func(b []byte, what string) {
		_, err := ParseShare(b)
		if c := fault.Of(err); c != fault.Tampered && c != fault.Malformed {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for i := range len(text) * 8 {
		text[i/8] ^= 1 << (i % 8)
		check(text, fmt.Sprintf("bit %d flipped", i))
		text[i/8] ^= 1 << (i % 8)
	}
	for n := range len(text) - 1 { // the end of the last line may be missing
		check(text[:n], fmt.Sprintf("cut after %d bytes", n))
	}
	// What the words do not show: the bytes themselves, with line checks that fit.
	b := shares[1].bytes()
	for i := range len(b) * 8 {
		b[i/8] ^= 1 << (i % 8)
		if _, err := parseShare(b); err == nil {
			t.Fatalf("bit %d of the bytes flipped: taken", i)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

// What an editor or a mail does to a file is no damage; what it cannot have done
// is.
func TestShareFileAsItComesBack(t *testing.T) {
	share := dealt(t, newFixture(t, Shares{2, 3}))[1].Share
	text := string(share.Text())
	_, bare, _ := strings.Cut(text, "\n\n")
	var plain strings.Builder // without numbers
	for line := range strings.Lines(bare) {
		plain.WriteString(line[3:])
	}
	crlf := strings.NewReplacer("\n", "\r\n").Replace
	damaged := strings.Replace(bare, "\n5  ", "\n5  AAAA", 1)
	for name, row := range map[string]struct {
		text  string
		cause fault.Cause
	}{
		"CRLF":                       {crlf(text), 0},
		"a mark and CRLF":            {ByteOrderMark + crlf(text), 0},
		"no last newline":            {strings.TrimSuffix(text, "\n"), 0},
		"blank lines at the end":     {text + "\n \n\t\r\n", 0},
		"blank lines before":         {"\n\r\n" + text, 0},
		"trailing blanks":            {strings.ReplaceAll(text, "\n", " \t\n"), 0},
		"the eight lines":            {bare, 0},
		"the eight lines, CRLF":      {ByteOrderMark + crlf(bare), 0},
		"the lines without numbers":  {plain.String(), 0},
		"in small letters":           {strings.ToLower(bare), 0},
		"a blank line between words": {strings.Replace(text, "\n", "\n\n", 1), fault.Tampered},
		"a word more":                {text + "kept by Ann\n", fault.Tampered},
		"a word less":                {strings.Replace(text, "; any 2", "", 1), fault.Tampered},
		"a line of eight damaged":    {damaged, fault.Tampered},
		"the first of eight damaged": {"1  AAAA" + bare[7:], fault.Tampered},
		"seven lines":                {bare[:strings.LastIndex(bare, "8")], fault.Tampered},
		"two shares":                 {bare + bare, fault.Tampered},
		"words":                      {"1 apple\n2 pears\n", fault.Malformed},
		"nothing":                    {"", fault.Malformed},
		"too long":                   {text + strings.Repeat("\n", MaxShareFile), fault.Malformed},
	} {
		s, err := ParseShare([]byte(row.text))
		if row.cause != 0 {
			wantCause(t, err, row.cause, name)
		} else if err != nil || !bytes.Equal(s.Text(), share.Text()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sameLines tells whether both hold the same lines that are typed.
func sameLines(a, b []byte) bool {
	bare := func(text []byte) (all string) {
		for line := range strings.Lines(laidOut(text)) {
			if line, typed := Bare(line); typed {
				if IsShareLine(line) {
					line = line[1:]
				}
				all += normal(line)
			}
		}
		return all
	}
	return bare(a) == bare(b)
}

func TestCombineSaysWhatDoesNotFit(t *testing.T) {
	f := newFixture(t, Shares{2, 3})
	all, other := dealt(t, f), dealt(t, newFixture(t, Shares{2, 3}))
	for name, row := range map[string]struct {
		shares []Named
		cause  fault.Cause
		says   string
	}{
		"none":         {nil, fault.Usage, "no share"},
		"too few":      {all[:1], fault.Usage, "2 of 3 shares are needed, 1 was given"},
		"twice":        {[]Named{all[0], {"again", all[0].Share}}, fault.Usage, "share-1 and again are the same share"},
		"another set":  {[]Named{all[0], {"foreign", other[1].Share}}, fault.Usage, "foreign of the set " + other[0].Set.Short()},
		"another type": {[]Named{all[0], changed(all[1], func(s *Share) { s.Shares.Count = 4 })}, fault.Usage, "share-2 of the set"},
		"another key":  {[]Named{all[0], changed(all[1], func(s *Share) { s.y[3] ^= 1 })}, fault.Tampered, "another identity"},
	} {
		_, err := Combine(row.shares)
		wantCause(t, err, row.cause, name)
		if !strings.Contains(fmt.Sprint(err), row.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func changed(n Named, how func(*Share)) Named {
	how(&n.Share)
	return n
}

func TestTypedLines(t *testing.T) {
	f := newFixture(t, Shares{2, 3})
	share := dealt(t, f)[0]
	var lines []string
	for line := range strings.Lines(string(share.Text())) {
		if IsShareLine(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != ShareLines {
		t.Fatalf("%d lines", len(lines))
	}
	how := map[string]func(string) string{
		"as written":     func(s string) string { return s },
		"small letters":  strings.ToLower,
		"without number": func(s string) string { return s[3:] },
		"without spaces": func(s string) string { return strings.ReplaceAll(s[3:], " ", "") },
		"digits":         func(s string) string { return s[:3] + strings.NewReplacer("O", "0", "I", "1", "B", "8").Replace(s[3:]) },
	}
	for name, spell := range how {
		var typed Typed
		for _, line := range lines {
			if err := typed.Add(spell(line)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		got, err := typed.Share()
		if err != nil || !bytes.Equal(got.Text(), share.Text()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var typed Typed
	if err := typed.Add(lines[1]); err == nil || !strings.Contains(err.Error(), "this is line 2, line 1 is wanted") {
		t.Error(err)
	}
	if err := typed.Add(lines[1][3:]); err == nil || !strings.Contains(err.Error(), "line 1: what stands there is line 2; lines have changed places") {
		t.Error(err)
	}
	if err := typed.Add(lines[0][:20]); err == nil || !strings.Contains(err.Error(), "line 1: 14 letters") {
		t.Error(err)
	}
	// A line with any one letter wrong is noticed, but for one in a million: of
	// these thousand two are never missed.
	missed := 0
	for i := 3; i < len(lines[0]); i++ {
		for _, r := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" {
			wrong := lines[0][:i] + string(r) + lines[0][i+1:]
			if lines[0][i] == ' ' || wrong == lines[0] {
				continue
			}
			if err := new(Typed).Add(wrong); err == nil {
				missed++
			}
		}
	}
	if missed > 1 {
		t.Errorf("%d slips of a finger were missed", missed)
	}
}

// Lines of two good shares: every line fits, the whole does not.
func TestMixedLines(t *testing.T) {
	f := newFixture(t, Shares{2, 3})
	all := dealt(t, f)
	var typed Typed
	for n := range ShareLines {
		b := all[n%2].bytes()[n*lineBytes : (n+1)*lineBytes]
		if err := typed.Add(letters.EncodeToString(b) + lineCheck(n+1, b)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := typed.Share()
	wantCause(t, err, fault.Tampered, "mixed lines")
}

func TestDealRefuses(t *testing.T) {
	f := newFixture(t, Shares{})
	for _, s := range []Shares{{}, {1, 2}, {3, 2}, {2, 100}} {
		f.setup.Shares = s
		_, err := Deal(f.key, f.setup, testInstance, testTime)
		wantCause(t, err, fault.Usage, s.String())
	}
	f.setup.Shares = Shares{2, 2}
	_, err := Deal(f.key, f.setup, "12", testTime)
	wantCause(t, err, fault.Malformed, "no instance")
}
