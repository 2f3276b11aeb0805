package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ssovault/internal/p11test"
)

func TestHSMScript(t *testing.T) {
	k := p11test.Token(t) // for the path of the library
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/script/hsm.txtar", "testdata/script/hsm_walk.txtar", "testdata/script/hsm_carry.txtar", "testdata/script/hsm_words.txtar"},
		Setup: func(e *testscript.Env) error {
			conf := filepath.Join(e.WorkDir, "softhsm2.conf")
			e.Setenv("SOFTHSM2_CONF", conf)
			e.Setenv("SOFTHSM", k.Library)
			e.Setenv("SSOVAULT_PKCS11_LIBRARY", k.Library)
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", filepath.Join(e.WorkDir, "tokens"))
			return os.WriteFile(conf, []byte(text), 0o600)
		},
	})
}

// adminScene is a token with the files of its PINs, and no install folder.
type adminScene struct {
	*connector
	so, pin string // sources
}

func newAdminScene(t *testing.T, k p11test.Tok, library string) *adminScene {
	c := &connector{t: t, token: k, dir: t.TempDir()}
	c.base, c.in = filepath.Join(c.dir, "base"), c.dir
	t.Setenv("SSOVAULT_PKCS11_LIBRARY", library)
	t.Setenv("XDG_STATE_HOME", filepath.Join(c.dir, "state"))
	s := &adminScene{connector: c}
	s.so, s.pin = "file:"+c.bring("so.pin", []byte(k.SOPIN)), "file:"+c.bring("user.pin", []byte(k.PIN))
	return s
}

// try runs ssovault without an install folder.
func (s *adminScene) try(args ...string) outcome {
	s.t.Helper()
	cmd := s.command(args...)
	cmd.Env = append(cmd.Env, "SSOVAULT_BASE=")
	return execute(s.t, cmd)
}

// key runs a key command on the token.
func (s *adminScene) key(args ...string) outcome {
	s.t.Helper()
	return s.try(append([]string{"key", args[0], "--token", s.token.Serial, "--pin-source", s.pin}, args[1:]...)...)
}

// ends wants an exit code, and a text in what was printed.
func (s *adminScene) ends(o outcome, code int, text string) {
	s.t.Helper()
	if o.code != code || !strings.Contains(o.stdout+o.stderr, text) {
		s.t.Errorf("exit %d, want %d and %q\n%s%s", o.code, code, text, o.stdout, o.stderr)
	}
}

// opencryptoki's token has no AES/GCM, no key wrap, tells no check values, and
// takes PINs of 4 to 8 characters.
func TestHSMOnOpencryptoki(t *testing.T) {
	k := p11test.Opencryptoki(t)
	s := newAdminScene(t, k, k.Library)
	s.ends(s.try("hsm", "state"), 0, k.Label)
	mechanisms := s.try("hsm", "mechanisms", "--token", k.Serial)
	for _, line := range []string{`seal and open files +missing +CKM_AES_GCM`, `wrap keys \(RFC 5649\) +missing`, `check value of AES keys +ok +CKM_AES_ECB`} {
		if !regexp.MustCompile(line).MatchString(mechanisms.stdout) {
			t.Errorf("no %s in\n%s", line, mechanisms.stdout)
		}
	}
	s.ends(s.key("generate", "aes", "--attributes", "EDM"), 0, "PMTED")
	s.ends(s.key("generate", "aes", "--attributes", "EDM"), 0, "already present")
	s.ends(s.key("generate", "des", "--type", "des3", "--attributes", "ED"), 0, "des3, 192 bits")
	s.ends(s.try("hsm", "identity", "create", "--token", k.Serial, "--pin-source", s.pin), 0, "3072 bits")
	s.ends(s.try("hsm", "identity", "create", "--token", k.Serial, "--pin-source", s.pin), 0, "already present")
	before := k.Snapshot(t)
	s.ends(s.key("generate", "none", "--attributes", "EDw"), 2, "does not know w (CKA_EXPORT)")
	s.ends(s.key("generate", "none", "--replicable"), 2, "does not know CKA_WRAP_WITH_TRUSTED")
	if now := k.Snapshot(t); now != before {
		t.Errorf("before:\n%s\nnow:\n%s", before, now)
	}
	list := s.key("list")
	if kcvs := regexp.MustCompile(`(?m) [0-9A-F]{6}$`).FindAllString(list.stdout, -1); len(kcvs) != 2 {
		t.Errorf("%v in\n%s", kcvs, list.stdout)
	}
	kcv := func(label string) string { // before the key may encrypt no more
		return regexp.MustCompile(`(?m)^` + label + ` .* ([0-9A-F]{6})$`).FindStringSubmatch(list.stdout)[1]
	}
	s.ends(s.key("set", "aes", "--attributes", "E"), 0, "PMTE")
	s.ends(s.key("set", "aes", "--attributes", "D"), 0, "KCV         "+kcv("aes"))
	s.ends(s.key("show", "aes"), 0, "KCV         - (the token tells none, and without E none can be calculated)")
	s.ends(s.key("set", "aes", "--attributes", "ED"), 0, "KCV         "+kcv("aes"))
	s.ends(s.key("delete", "aes", "--yes"), 0, "deleted")
	s.ends(s.key("kcv", "aes"), 13, "there is no key")
	long, next := "file:"+s.bring("long.pin", []byte("123456789")), "file:"+s.bring("next.pin", []byte("97531864"))
	s.ends(s.try("hsm", "pin", "change", "--token", k.Serial, "--pin-source", s.pin, "--new-pin-source", long), 2, "has 9 characters")
	s.ends(s.try("hsm", "pin", "change", "--token", k.Serial, "--pin-source", s.pin, "--new-pin-source", next), 0, "has the new PIN")
	s.ends(s.try("key", "list", "--token", k.Serial, "--pin-source", next), 0, "des3")
	s.ends(s.try("hsm", "pin", "reset", "--token", k.Serial, "--so-pin-source", s.so, "--new-pin-source", s.pin), 0, "has the new PIN")
	s.ends(s.key("list"), 0, "des3")
	s.ends(s.try("hsm", "init", "--slot", fmt.Sprint(k.Slot), "--label", "again", "--yes", "--so-pin-source", s.so, "--pin-source", s.pin), 30, "can be initialised once")
}

// The factory's token wants the security officer's PIN changed before it takes a
// user PIN.
func TestHSMInitOfAFactoryToken(t *testing.T) {
	k := p11test.FactoryOpencryptoki(t)
	k.PIN = "24681357"
	s := newAdminScene(t, k, k.Library)
	newSO := "file:" + s.bring("new-so.pin", []byte("76543210"))
	args := []string{"hsm", "init", "--slot", fmt.Sprint(k.Slot), "--label", p11test.OckLabel, "--so-pin-source", s.so, "--pin-source", s.pin}
	s.ends(s.try(args...), 2, "--new-so-pin-source")
	s.ends(s.try(append(args, "--new-so-pin-source", newSO)...), 0, "initialised: "+p11test.OckLabel)
	s.ends(s.key("generate", "aes"), 0, "PTED")
}

// What whoever has the user PIN can do to a key that moves under trusted keys
// only, with another program: neither read it, nor wrap it under his own key,
// nor lift what forbids that.
func TestReplicableKeysStay(t *testing.T) {
	k := p11test.Token(t)
	s := newAdminScene(t, k, k.Library)
	s.ends(s.key("generate", "moves", "--replicable"), 0, "only wrapped by a trusted key")
	s.ends(s.key("generate", "manual", "--attributes", "EDMX"), 0, "PMTXED")
	tool := func(args ...string) outcome {
		cmd := exec.Command("pkcs11-tool", append([]string{"--module", k.Library, "--token-label", k.Label, "--login", "--pin", k.PIN}, args...)...)
		cmd.Env = append(os.Environ(), k.Env()...)
		return execute(t, cmd)
	}
	own := s.bring("own.key", []byte("0123456789abcdefghijklmnopqrstuv"))
	if o := tool("--write-object", own, "--type", "secrkey", "--key-type", "AES:32", "--usage-wrap", "--usage-decrypt", "--label", "own", "--id", "0b"); o.code != 0 {
		t.Fatal(o)
	}
	s.ends(s.key("generate", "carried", "--attributes", "EDX", "--wrap-with-any"), 0, "can carry it out")
	wrapped := filepath.Join(s.dir, "wrapped")
	for label, stays := range map[string]bool{"moves": true, "manual": true, "carried": false} {
		var shown struct{ ID string }
		if err := json.Unmarshal([]byte(s.key("show", label, "--json").stdout), &shown); err != nil {
			t.Fatal(err)
		}
		o := tool("--wrap", "--mechanism", "0x210A", "--id", "0b", "--application-id", shown.ID, "--output-file", wrapped)
		if got := !strings.Contains(o.stdout+o.stderr, "Key wrapped") && o.code != 0; got != stays {
			t.Errorf("%s: stays %v\n%s%s", label, got, o.stdout, o.stderr)
		}
		if o := tool("--read-object", "--type", "secrkey", "--id", shown.ID); o.code == 0 || !strings.Contains(o.stderr, "CKR_ATTRIBUTE_SENSITIVE") && !strings.Contains(o.stdout+o.stderr, "sensitive") {
			t.Errorf("%s can be read: exit %d\n%s%s", label, o.code, o.stdout, o.stderr)
		}
	}
}

// The shell completes the labels of tokens, without a login.
func TestTokensAreCompleted(t *testing.T) {
	k := p11test.Token(t)
	m := p11test.Faulty(t, k.Library)
	s := newAdminScene(t, k, m.Path)
	for _, args := range [][]string{{"key", "list", "--pin-source", s.pin, "--token", ""}, {"hsm", "replicate", "--from", ""}, {"migrate", "--to", ""}, {"hsm", "pin", "change", "--token", ""}} {
		if o := s.try(append([]string{"__complete"}, args...)...); !strings.Contains(o.stdout, k.Label+"\tserial "+k.Serial) || !strings.Contains(o.stdout, ":4\n") {
			t.Errorf("%v: exit %d\n%s%s", args, o.code, o.stdout, o.stderr)
		}
	}
	if n := m.CallsOf("C_Login"); n != 0 {
		t.Errorf("%d logins", n)
	}
	// Those of keys are private: no PIN is read for them, and no library asked.
	m.Reset()
	read := filepath.Join(s.dir, "read")
	for _, args := range [][]string{{"key", "show"}, {"key", "delete", "--token", k.Serial}, {"key", "kcv", "--token", "pkcs11:token=" + url.PathEscape(k.Label) + "?pin-source=file:" + filepath.Join(s.dir, "user.pin")},
		{"key", "retire"}, {"key", "enter", "--as", "so", "--token", k.Serial}} {
		args = append([]string{"__complete", "--pin-source", "command:touch " + read}, append(args, "")...)
		if o := s.try(args...); o.code != 0 || !strings.HasPrefix(o.stdout, ":4\n") || exists(read) {
			t.Errorf("%v: exit %d\n%s%s", args, o.code, o.stdout, o.stderr)
		}
	}
	if n := m.CallsOf("C_Login"); n != 0 || m.Calls() != 0 {
		t.Errorf("%d logins, %d calls", n, m.Calls())
	}
}
