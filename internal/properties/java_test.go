package properties_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/properties"
)

// askJava hands all requests to one JVM.
func askJava(t *testing.T, requests []string) []string {
	t.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		t.Fatal("java is missing: install the package openjdk-17-jdk-headless")
	}
	cmd := exec.CommandContext(t.Context(), java, "../../testdata/java/PropertiesHex.java")
	cmd.Stdin = strings.NewReader(strings.Join(requests, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java: %v\n%s", err, stderr.Bytes())
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(requests) {
		t.Fatalf("java gave %d answers to %d requests", len(answers), len(requests))
	}
	return answers
}

func toHex(s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return hex.EncodeToString(b)
}

func units(t *testing.T, s string) []uint16 {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return u
}

// fromJava gives what Java read, and whether all of it is Unicode.
func fromJava(t *testing.T, answer string) (map[string]string, bool) {
	t.Helper()
	m, clean := map[string]string{}, true
	text := func(s string) string {
		decoded := string(utf16.Decode(units(t, s)))
		clean = clean && toHex(decoded) == s
		return decoded
	}
	if answer == "" {
		return m, true
	}
	for pair := range strings.SplitSeq(answer, ",") {
		k, v, _ := strings.Cut(pair, "=")
		m[text(k)] = text(v)
	}
	return m, clean
}

func content(s *properties.Set) map[string]string {
	m := map[string]string{}
	for _, k := range s.Keys() {
		m[k], _ = s.Get(k)
	}
	return m
}

// awkward are the pieces that random keys and values are made of.
var awkward = []string{"a", "Z", "0", " ", "  ", "\t", "\f", "\n", "\r", "\r\n", "\x00", "\x01", "\x7f", "\u0080", "\u0085",
	"é", "ÿ", "Ā", "€", "\u2028", "\uFEFF", "\uFFFD", "😀", "\U0010FFFF", "#", "!", "=", ":", `\`, `\u0041`, `\n`, "${HOME}", "'", `"`, ",", "key"}

func random(rng *rand.Rand, pieces []string, most int) string {
	var b strings.Builder
	for range rng.IntN(most + 1) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

func randomPairs(rng *rand.Rand) map[string]string {
	m := map[string]string{}
	for range 1 + rng.IntN(20) {
		m[random(rng, awkward, 6)] = random(rng, awkward, 12)
	}
	return m
}

func setOf(t *testing.T, pairs map[string]string) *properties.Set {
	t.Helper()
	s := &properties.Set{}
	for k, v := range pairs {
		if err := s.Set(k, v); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestJavaReadsWhatIsWritten(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	sets := []map[string]string{
		{"xml": strings.Repeat("<md:X509Certificate a=\"1\">\n\t'&amp;' é😀</md:X509Certificate>\r\n", 1700)},
		{"": "empty key", " ": "space", "  lead": "  lead and trail  ", "#x": "#x", "!x": "!x", "t\tt": "\tt\t", "empty": ""},
	}
	for range 300 {
		sets = append(sets, randomPairs(rng))
	}
	var requests []string
	for _, m := range sets {
		requests = append(requests, "load "+hex.EncodeToString(setOf(t, m).Encode()))
	}
	for i, answer := range askJava(t, requests) {
		got, _ := fromJava(t, answer)
		if diff := cmp.Diff(sets[i], got); diff != "" {
			t.Fatalf("set %d (-written +read by Java):\n%s", i, diff)
		}
	}
}

func TestWhatJavaWritesIsRead(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	var sets []map[string]string
	var requests []string
	for range 300 {
		m := randomPairs(rng)
		var pairs []string
		for k, v := range m {
			pairs = append(pairs, toHex(k)+"="+toHex(v))
		}
		sets, requests = append(sets, m), append(requests, "store "+strings.Join(pairs, ","))
	}
	for i, answer := range askJava(t, requests) {
		file, err := hex.DecodeString(answer)
		if err != nil {
			t.Fatal(err)
		}
		s, err := properties.Parse(file)
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		if diff := cmp.Diff(sets[i], content(s)); diff != "" {
			t.Fatalf("%q (-stored +read):\n%s", file, diff)
		}
		if !bytes.Equal(s.Encode(), file) {
			t.Errorf("an untouched file changed:\n%q\n%q", file, s.Encode())
		}
		for k, v := range sets[i] { // the same spelling, line for line
			one := strings.TrimSuffix(string(setOf(t, map[string]string{k: v}).Encode()), "\n")
			if !bytes.Contains(file, []byte("\n"+one+"\n")) {
				t.Errorf("Java does not write %q:\n%s", one, file)
			}
		}
	}
}

// shapes are what files that people and programs wrote are made of, and broken
// ones.
var shapes = []string{"\n", "\r", "\r\n", `\`, `\` + "\n", `\` + "\r\n", `\\`, "#", "!", "#c\n", "a=b\n", "=", ":", " ", "\t", "\f", "k", "v",
	`\u0041`, `\u00`, `\uD83D`, `\uDE00`, `\uZZZZ`, `\u`, `\t`, `\q`, `\=`, `\ `, "é", "\xe9", "\x00", "x\\\n  y", "#ssovault public: k\n"}

func TestReadsAnyFileAsJavaDoes(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	files := []string{"", `\`, "\\\n", "\\\r", "\\\r\n", "\\\n\n", "\\\n#c\na=b", "a=b\\", "a=b\\\n", "a=b\\\r\n", "a=b\\\n  ", "a\\\n\n#b", "  \\\n  =x"}
	for range 6000 {
		files = append(files, random(rng, shapes, 10))
	}
	var requests []string
	for _, f := range files {
		how := "load "
		if utf8.ValidString(f) {
			how = "text "
		}
		requests = append(requests, how+hex.EncodeToString([]byte(f)))
	}
	refused, read := 0, 0
	for i, answer := range askJava(t, requests) {
		s, err := properties.Parse([]byte(files[i]))
		if answer == "error" {
			if !errors.Is(err, properties.ErrEscape) && !errors.Is(err, properties.ErrSurrogate) {
				t.Fatalf("Java refuses %q, we: %v", files[i], err)
			}
			refused++
			continue
		}
		want, clean := fromJava(t, answer)
		if err != nil {
			// Java also keeps overridden values, which its answer no longer has.
			if !errors.Is(err, properties.ErrSurrogate) || clean && !strings.Contains(files[i], `\uD`) {
				t.Fatalf("Java reads %q as %q, we: %v", files[i], want, err)
			}
			continue
		}
		if diff := cmp.Diff(want, content(s)); diff != "" {
			t.Fatalf("%q (-Java +ours):\n%s", files[i], diff)
		}
		read++
	}
	if refused < 100 || read < 1000 {
		t.Errorf("only %d refused and %d read: the files try too little", refused, read)
	}
}
