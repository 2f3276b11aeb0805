package main

import (
	"fmt"
	"os"
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
		Files: []string{"testdata/script/hsm.txtar", "testdata/script/hsm_carry.txtar"},
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
	s.ends(s.key("set", "aes", "--attributes", "E"), 0, "PMTE")
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
