package p11test

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Tok is an initialised token whose user PIN is set. A test that changes a PIN
// changes the field too, so that Snapshot can still log in.
type Tok struct {
	Library string // path of the PKCS#11 module
	Conf    string // softhsm2.conf; empty for opencryptoki
	Dir     string // folder of all token data
	Label   string
	Serial  string
	PIN     string
	SOPIN   string
	Slot    uint // as a process sees it that starts now
}

// softHSMLibraries are the places where distributions put SoftHSM.
var softHSMLibraries = []string{
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib/*/softhsm/libsofthsm2.so",
	"/usr/lib64/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",
}

// Token makes a SoftHSM token in a fresh folder and sets SOFTHSM2_CONF, so the
// test cannot be a parallel one. Each call gives another folder and another
// SOFTHSM2_CONF; use Again for a second token beside the first. The token is
// gone when the test ends.
func Token(t testing.TB) Tok {
	t.Helper()
	library := firstFile(softHSMLibraries)
	if library == "" {
		t.Fatal("SoftHSM is missing: install the package softhsm2")
	}
	base := filepath.Join(t.TempDir(), "softhsm")
	k := Tok{
		Library: library,
		Conf:    filepath.Join(base, "softhsm2.conf"),
		Dir:     filepath.Join(base, "tokens"),
		PIN:     "user-" + rand.Text()[:10],
		SOPIN:   "so-" + rand.Text()[:10],
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	k.WriteConf(t, k.Conf)
	t.Setenv("SOFTHSM2_CONF", k.Conf)
	return k.initialise(t, "ssovault test")
}

// Again makes another token with the same PINs in the same folder, so that one
// library shows both. A label may be used twice.
func (k Tok) Again(t testing.TB, label string) Tok {
	t.Helper()
	if k.Conf == "" {
		t.Fatal("only SoftHSM has several tokens")
	}
	return k.initialise(t, label)
}

// WriteConf writes a softhsm2.conf for the token's folder: a script or a service
// unit that sets SOFTHSM2_CONF to path sees the token.
func (k Tok) WriteConf(t testing.TB, path string) {
	t.Helper()
	conf := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n", k.Dir)
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Env gives what a process needs in its environment to see the token.
func (k Tok) Env() []string {
	if k.Conf == "" {
		return nil
	}
	return []string{"SOFTHSM2_CONF=" + k.Conf}
}

func (k Tok) initialise(t testing.TB, label string) Tok {
	t.Helper()
	before := map[string]bool{}
	for _, s := range k.slots(t) {
		before[s.serial] = true
	}
	cmd := exec.Command("softhsm2-util", "--module", k.Library, "--init-token", "--free",
		"--label", label, "--pin", k.PIN, "--so-pin", k.SOPIN)
	cmd.Env = append(os.Environ(), k.Env()...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("softhsm2-util (package softhsm2): %v\n%s", err, out)
	}
	// The slot number of a fresh token changes with the next process, and a
	// label may be there twice: the token is the one whose serial is new.
	for _, s := range k.slots(t) {
		if s.initialised() && !before[s.serial] {
			k.Label, k.Serial, k.Slot = s.label, s.serial, s.number
			return k
		}
	}
	t.Fatalf("softhsm2-util made no token %q", label)
	return Tok{}
}

// slot is a token as p11list shows it.
type slot struct {
	number               uint
	flags                uint64
	serial, label, model string
}

// initialised tells whether CKF_TOKEN_INITIALIZED is set: SoftHSM always shows
// one more token that is not.
func (s slot) initialised() bool { return s.flags&0x400 != 0 }

func (k Tok) slots(t testing.TB) []slot {
	t.Helper()
	var slots []slot
	for line := range strings.Lines(k.list(t, "", "slots")) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			t.Fatalf("p11list: %q has not five fields", line)
		}
		number, err := strconv.ParseUint(f[0], 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		flags, err := strconv.ParseUint(f[1], 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		slots = append(slots, slot{number: uint(number), flags: flags, serial: f[2], label: f[3], model: f[4]})
	}
	return slots
}

// list runs p11list on the token's library and gives what it prints.
func (k Tok) list(t testing.TB, input string, args ...string) string {
	t.Helper()
	cmd := exec.Command(built(t, listBinary), append([]string{k.Library}, args...)...)
	cmd.Env = append(os.Environ(), k.Env()...)
	cmd.Stdin = strings.NewReader(input)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("p11list %s: %v: %s", args[0], err, complaint.String())
	}
	return string(out)
}

func firstFile(patterns []string) string {
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return ""
}
