package main

import (
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ssovault/internal/hsm"
	"ssovault/internal/p11test"
)

// twoTokens is a scene with a second token beside the first, both behind the
// faulty module.
type twoTokens struct {
	*adminScene
	second p11test.Tok
	third  p11test.Tok // of crash tests
	// fingerprint is that of the third token's identity.
	fingerprint string
}

func newTwoTokens(t *testing.T) *twoTokens {
	k := p11test.Token(t)
	m := p11test.Faulty(t, k.Library)
	s := &twoTokens{adminScene: newAdminScene(t, k, m.Path), second: k.Again(t, "second")}
	s.module, s.base = m, "" // no install folder
	return s
}

// there runs a key command on the second token.
func (s *twoTokens) there(args ...string) outcome {
	s.t.Helper()
	return s.try(append([]string{"key", args[0], "--token", s.second.Serial, "--pin-source", s.pin}, args[1:]...)...)
}

// well wants success, and gives what was printed.
func (s *adminScene) well(o outcome) string {
	s.t.Helper()
	if o.code != 0 {
		s.t.Fatalf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// wrappers makes a trusted wrapper in the first token, and its twin in the
// second. It gives the wrapper's value.
func (s *twoTokens) wrappers() []byte {
	s.t.Helper()
	lines := s.well(s.there("components", "KEK", "--count", "2", "--attributes", "U"))
	kcv := strings.TrimSpace(s.well(s.there("kcv", "KEK")))
	file := s.bring("kek.lines", []byte(lines))
	cmd := s.command("key", "enter", "KEK", "--token", s.token.Serial, "--as", "so", "--so-pin-source", s.so, "--kcv", kcv)
	in, err := os.Open(file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer in.Close()
	cmd.Stdin = in
	s.well(execute(s.t, cmd))
	return xorOf(s.t, lines)
}

// xorOf gives the XOR of components on lines.
func xorOf(t testing.TB, lines string) []byte {
	t.Helper()
	var sum []byte
	for i, line := range strings.Fields(lines) {
		if i%2 == 1 {
			continue
		}
		part, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		if sum == nil {
			sum = make([]byte, len(part))
		}
		subtle.XORBytes(sum, sum, part)
	}
	return sum
}

// openssl runs it on input.
func openssl(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = bytes.NewReader(in)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl (package openssl) %s: %v\n%s", args[1], err, complaint.String())
	}
	return out
}

// OpenSSL agrees on the check values of keys made of components.
func TestComponentsAndOpenSSL(t *testing.T) {
	s := newTwoTokens(t)
	for _, c := range []struct{ kind, bits, cipher string }{
		{"aes", "128", "-aes-128-ecb"}, {"aes", "192", "-aes-192-ecb"}, {"aes", "256", "-aes-256-ecb"},
		{"des3", "192", "-des-ede3"}, {"des3", "128", "-des-ede"},
	} {
		label := c.kind + c.bits
		lines := s.well(s.key("components", label, "--count", "3", "--type", c.kind, "--bits", c.bits, "--attributes", "E"))
		key := xorOf(t, lines)
		block := 16
		if c.kind == "des3" {
			block = 8
		}
		box := openssl(t, make([]byte, block), "enc", c.cipher, "-nopad", "-K", hex.EncodeToString(key))
		want := strings.ToUpper(hex.EncodeToString(box[:3]))
		if got := strings.TrimSpace(s.well(s.key("kcv", label))); got != want {
			t.Errorf("%s: the token says %s, openssl %s", label, got, want)
		}
	}
}

// wrapPad are openssl's words for RFC 5649 under a key.
func wrapPad(kek []byte, more ...string) []string {
	return append([]string{"enc", "-id-aes256-wrap-pad", "-K", hex.EncodeToString(kek), "-iv", "A65959A6"}, more...)
}

// What was exported opens in OpenSSL and in Java, and what they wrapped can be
// imported.
func TestExportAndOtherPrograms(t *testing.T) {
	s := newTwoTokens(t)
	kek := s.wrappers()
	s.well(s.key("generate", "pay", "--replicable"))
	path := filepath.Join(s.dir, "pay.key")
	s.well(s.key("export", "pay", "--wrap", "KEK", "-o", path))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := hsm.ParseExported(text)
	if err != nil {
		t.Fatal(err)
	}
	java := func(mode string, input []byte) []byte {
		t.Helper()
		cmd := exec.Command("java", "../../testdata/java/KeyWrap.java", mode)
		cmd.Stdin = strings.NewReader(hex.EncodeToString(kek) + "\n" + hex.EncodeToString(input) + "\n")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("java (package default-jdk-headless): %v", err)
		}
		b, err := hex.DecodeString(strings.TrimSpace(string(out)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := java("unwrap", x.Wrapped)
	box := openssl(t, make([]byte, 16), "enc", "-aes-256-ecb", "-nopad", "-K", hex.EncodeToString(key))
	if got := strings.ToUpper(hex.EncodeToString(box[:3])); got != x.KCV.String() {
		t.Errorf("java unwrapped a key of KCV %s, not %s", got, x.KCV)
	}
	if got := openssl(t, key, wrapPad(kek)...); !bytes.Equal(got, x.Wrapped) {
		t.Errorf("openssl wraps it as\n%x, not\n%x", got, x.Wrapped)
	}
	// The other way round: keys of theirs.
	own := bytes.Repeat([]byte{0x3C, 0xA5}, 16)
	box = openssl(t, make([]byte, 16), "enc", "-aes-256-ecb", "-nopad", "-K", hex.EncodeToString(own))
	x.KCV = hsm.KCV(box[:3])
	for label, wrapped := range map[string][]byte{"from openssl": openssl(t, own, wrapPad(kek)...), "from java": java("wrap", own)} {
		x.Label, x.Wrapped = label, wrapped
		text, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s.ends(s.there("import", s.bring("theirs.key", text), "--unwrap", "KEK"), 0, "imported into the token second")
		s.ends(s.there("kcv", label), 0, x.KCV.String())
	}
}

// The holder of the user PIN brings a wrapping key of his own, and other
// people's tool.
func TestReplicableKeyAndPkcs11Tool(t *testing.T) {
	s := newTwoTokens(t)
	s.well(s.key("generate", "target", "--replicable"))
	s.well(s.key("generate", "edmx", "--attributes", "EDMX"))
	tool := func(args ...string) outcome {
		cmd := exec.Command("pkcs11-tool", append([]string{"--module", s.token.Library, "--token-label", s.token.Label, "--login", "--pin", s.token.PIN}, args...)...)
		cmd.Env = append(os.Environ(), s.token.Env()...)
		return execute(t, cmd)
	}
	if o := tool("--keygen", "--key-type", "AES:32", "--label", "mine", "--id", "4d", "--usage-wrap"); o.code != 0 {
		t.Fatal(o.stderr)
	}
	s.well(s.key("generate", "lost", "--attributes", "EX", "--wrap-with-any")) // the tool can wrap
	ids := map[string]string{}
	for label := range map[string]bool{"target": true, "edmx": true, "lost": true} {
		ids[label] = regexp.MustCompile(`"id": "([0-9a-f]+)"`).FindStringSubmatch(s.well(s.key("show", label, "--json")))[1]
	}
	for label, leaves := range map[string]bool{"target": false, "edmx": false, "lost": true} {
		out := filepath.Join(s.dir, label+".wrapped")
		o := tool("--wrap", "--mechanism", "0x210A", "--id", "4d", "--application-id", ids[label], "--output-file", out)
		_, err := os.Stat(out)
		if left := o.code == 0 && err == nil; left != leaves {
			t.Errorf("%s left the token: %t\n%s%s", label, left, o.stdout, o.stderr)
		}
	}
	// Its value is not told either: the snapshot has a digest of each that is.
	if snapshot := s.token.Snapshot(t); strings.Contains(snapshot, "value=") {
		t.Errorf("the value of a key can be read:\n%s", snapshot)
	}
}

// Custodians at the terminal: a component a screen, then typed blind.
func TestComponentsAtTheTerminal(t *testing.T) {
	s := newTwoTokens(t)
	shown, code := s.onTerminal([]string{"", "", "", ""}, "never", "", "key", "components", "KEK", "--token", s.token.Serial, "--pin-source", s.pin,
		"--count", "2", "--custodian", "Ada", "--custodian", "Bo", "--attributes", "E")
	if code != 0 || strings.Count(shown, "\x1b[2J") != 6 || !strings.Contains(shown, "Ada of component 1 of 2") {
		t.Fatalf("exit %d\n%q", code, shown)
	}
	blocks := regexp.MustCompile(`(?m)^block \d +([0-9A-F]{8}-\d\d)$`).FindAllStringSubmatch(shown, -1)
	kcvs := regexp.MustCompile(`(?m)^KCV of this component +([0-9A-F]{6})$`).FindAllStringSubmatch(shown, -1)
	whole := regexp.MustCompile(`(?m)^KCV of the whole key +([0-9A-F]{6})$`).FindStringSubmatch(shown)
	if len(blocks) != 16 || len(kcvs) != 2 || whole == nil {
		t.Fatalf("%d blocks, %d KCVs\n%s", len(blocks), len(kcvs), shown)
	}
	if !strings.HasSuffix(strings.TrimSpace(shown), "KCV "+whole[1]) || strings.Contains(shown[strings.LastIndex(shown, "\x1b[2J"):], blocks[15][1]) {
		t.Errorf("the end is %q", shown[strings.LastIndex(shown, "\x1b[2J"):])
	}

	// The first custodian: a slip in a block, then all at once without checks,
	// and a KCV that is not his; the second: in lower case, block by block.
	var answers []string
	answers = append(answers, flipped(blocks[0][1]), blocks[0][1])
	for _, b := range blocks[1:7] {
		answers = append(answers, b[1])
	}
	answers = append(answers, flipped(blocks[7][1])[:8], kcvs[0][1]) // without its check the KCV finds it
	var plain string
	for _, b := range blocks[:8] {
		plain += b[1][:8]
	}
	// He goes on with blocks, and corrects a slip in his KCV.
	answers = append(answers, plain, blocks[1][1], blocks[2][1], "12", "", kcvs[0][1][:2]+"00\b\x7f"+kcvs[0][1][2:4]+" "+kcvs[0][1][4:])
	answers = append(answers, strings.ToLower(blocks[8][1]), blocks[9][1][:5], "") // Enter too early: nothing of that is kept
	for _, b := range blocks[9:] {
		answers = append(answers, strings.ToLower(b[1]))
	}
	kcv := strings.ToLower(kcvs[1][1])
	answers[0] = answers[0][:3] + "\x1a" + answers[0][3:]
	answers = append(answers, kcv[:2]+"\x1a"+kcv[2:]) // Ctrl-Z is no part of it
	args := []string{"key", "enter", "KEK", "--token", s.second.Serial, "--pin-source", s.pin, "--count", "2", "--attributes", "E"}
	before := s.second.Snapshot(t)
	shown, code = s.onTerminal(append(answers, "no"), "never", "", args...)
	if code != 130 || s.second.Snapshot(t) != before {
		t.Fatalf("not confirmed: exit %d\n%s", code, shown)
	}
	shown, code = s.onTerminal(append(answers, "oui", strings.ToLower(whole[1])), "never", "", args...)
	if code != 0 || !strings.Contains(shown, "block 1 does not fit its check") || !strings.Contains(shown, "Type the whole component again") ||
		!strings.Contains(shown, "That is not the whole of block 2: the 5 digits typed of it are dropped") || !strings.Contains(shown, "nothing was typed") ||
		strings.Count(shown, "All blocks of the component are there.") != 4 || !strings.Contains(shown, "KCV of component 2 of 2: "+strings.ToLower(kcvs[1][1])+"\n") ||
		!strings.Contains(shown, "The KCV of the key is "+whole[1]) {
		t.Fatalf("exit %d\n%s", code, shown)
	}
	for _, b := range blocks {
		if strings.Contains(strings.ToUpper(shown), b[1][:7]) {
			t.Errorf("what was typed is shown: %s", b[1])
		}
	}
	s.ends(s.there("kcv", "KEK"), 0, whole[1])
	// Ctrl-C at the question for the KCV leaves no key.
	shown, code = s.onTerminal([]string{plain}, ": ", "12\x03", "key", "enter", "K2", "--token", s.second.Serial, "--pin-source", s.pin, "--count", "2")
	if code != 130 || strings.Contains(shown, plain[:7]) {
		t.Errorf("exit %d\n%s", code, shown)
	}
	// Ctrl-C while a component is typed, or shown, leaves no key.
	for _, args := range [][]string{
		{"key", "enter", "K2", "--token", s.second.Serial, "--pin-source", s.pin, "--count", "2"},
		{"key", "components", "K2", "--token", s.second.Serial, "--pin-source", s.pin, "--count", "2"},
	} {
		before := s.second.Snapshot(t)
		if shown, code := s.onTerminal(nil, ": ", "\x03", args...); code != 130 {
			t.Errorf("%s: exit %d\n%s", args[1], code, shown)
		}
		if s.second.Snapshot(t) != before {
			t.Errorf("%s: a key was stored", args[1])
		}
	}
}

// flipped changes one digit of a block.
func flipped(block string) string {
	other := "0"
	if block[0] == '0' {
		other = "1"
	}
	return other + block[1:]
}

// Trust at the terminal: the fingerprint is typed, and is never shown.
func TestTrustAtTheTerminal(t *testing.T) {
	s := newTwoTokens(t)
	made := s.well(s.try("hsm", "identity", "create", "--token", s.second.Serial, "--pin-source", s.pin))
	print := strings.TrimSpace(afterText(t, made, "fingerprint "))
	args := []string{"hsm", "identity", "trust", "--token", s.token.Serial, "--peer", s.second.Serial}
	wrong := flipped(print)
	for _, c := range []struct {
		typed []string
		code  int
	}{{[]string{"nonsense"}, 2}, {[]string{wrong}, 2}, {[]string{strings.ReplaceAll(print, " ", ":"), s.token.SOPIN}, 0}} {
		shown, code := s.onTerminal(c.typed, "never", "", args...)
		if code != c.code || strings.Contains(shown, s.token.SOPIN) {
			t.Errorf("%q: exit %d\n%s", c.typed, code, shown)
		}
		if code != 0 && strings.Contains(shown, print) {
			t.Errorf("the fingerprint is shown\n%s", shown)
		}
	}
	s.well(s.key("generate", "moving", "--replicable"))
	shown, code := s.onTerminal([]string{"y"}, "never", "", "hsm", "replicate", "--from", s.token.Serial, "--to", s.second.Serial, "--pin-source", s.pin)
	if code != 0 || !strings.Contains(shown, "1 key from ssovault test (serial "+s.token.Serial+") to second (serial "+s.second.Serial+"): moving. Go on") {
		t.Errorf("exit %d\n%s", code, shown)
	}
}
