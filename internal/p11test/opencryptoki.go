package p11test

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// OckLabel is the one label that a test may give opencryptoki's soft token: one
// with another is taken for somebody's own.
const OckLabel = "ssovault test"

// What opencryptoki 3.8 has fixed: one soft token a machine, at these places.
const (
	ockFolder = "/var/lib/opencryptoki/swtok"
	ockShared = "/dev/shm/var.lib.opencryptoki.swtok"
	ockSocket = "/run/pkcsslotd.socket"
	ockModel  = "IBM SoftTok"

	ockFreshLabel = "IBM OS PKCS#11" // of a token that was never initialised

	ockFactorySOPIN = "87654321" // must be changed before a user PIN can be set
	ockSOPIN        = "76543210"
	ockPIN          = "24681357" // 4 to 8 digits; the factory's 12345678 is refused
)

var ockLibraries = []string{
	"/usr/lib/*/opencryptoki/libopencryptoki.so.0",
	"/usr/lib/opencryptoki/libopencryptoki.so.0",
	"/usr/lib64/opencryptoki/libopencryptoki.so.0",
}

// Opencryptoki gives opencryptoki's soft token, fresh: a real token without
// AES-GCM. There is one on a machine, so the test that calls this has it alone,
// across packages too, until it ends; call it once a test. The test must run
// as root. The daemon is started when it does not run, and stays. A soft token
// with somebody's own label is not touched: the test fails.
func Opencryptoki(t testing.TB) Tok {
	t.Helper()
	k := FactoryOpencryptoki(t)
	k.list(t, ockFactorySOPIN+"\n"+ockSOPIN+"\n"+ockPIN+"\n", "init", strconv.FormatUint(uint64(k.Slot), 10), OckLabel)
	s := k.softToken(t)
	if !s.initialised() || s.label != OckLabel {
		t.Fatalf("opencryptoki's soft token is not initialised: label %q, flags %#x", s.label, s.flags)
	}
	k.Label, k.Serial, k.Slot, k.SOPIN, k.PIN = s.label, s.serial, s.number, ockSOPIN, ockPIN
	return k
}

// FactoryOpencryptoki is Opencryptoki as it comes: without a user PIN, and with
// a security officer's PIN that must be changed. Init it with OckLabel only.
func FactoryOpencryptoki(t testing.TB) Tok {
	t.Helper()
	library := firstFile(ockLibraries)
	daemon, err := exec.LookPath("pkcsslotd")
	if library == "" || err != nil {
		t.Fatal("opencryptoki is missing: install the package opencryptoki")
	}
	if os.Geteuid() != 0 {
		t.Fatal("opencryptoki's daemon and token folder need root")
	}
	lockOpencryptoki(t)
	startDaemon(t, daemon)
	k := Tok{Library: library, Dir: ockFolder, SOPIN: ockFactorySOPIN}
	if s := k.softToken(t); s.label != ockFreshLabel && s.label != OckLabel {
		t.Fatalf("opencryptoki's soft token has the label %q: it may be in use, and is left alone", s.label)
	}
	resetSoftToken(t)
	s := k.softToken(t)
	k.Label, k.Serial, k.Slot = s.label, s.serial, s.number
	return k
}

// softToken finds the soft token: the slot's number depends on which other
// devices are configured.
func (k Tok) softToken(t testing.TB) slot {
	t.Helper()
	for _, s := range k.slots(t) {
		if s.model == ockModel {
			return s
		}
	}
	t.Fatal("opencryptoki shows no soft token: is PKCS11_SW.so installed, and configured in /etc/opencryptoki/opencryptoki.conf?")
	return slot{}
}

// resetSoftToken brings the token to the state of a new installation. C_InitToken
// cannot: once the security officer's PIN is another than the factory's, it
// stores the new master key under the factory's PIN but keeps the hash of the
// other, and nobody can log in any more (3.8.1).
func resetSoftToken(t testing.TB) {
	t.Helper()
	var stale []string
	for _, pattern := range []string{"MK_*", "NVTOK.DAT", "TOK_OBJ/*"} {
		found, err := filepath.Glob(filepath.Join(ockFolder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		stale = append(stale, found...)
	}
	// The objects' index is in shared memory and outlives the processes.
	for _, path := range append(stale, ockShared) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// startDaemon starts pkcsslotd unless one answers. A pid file is no proof: it
// stays after a crash, and a container has no init to remove it.
func startDaemon(t testing.TB, daemon string) {
	t.Helper()
	if answers() {
		return
	}
	if out, err := exec.Command(daemon).CombinedOutput(); err != nil {
		t.Fatalf("pkcsslotd does not start: %v\n%s", err, out)
	}
	// It forks and has no other sign of readiness than its socket.
	deadline := time.Now().Add(10 * time.Second)
	for !answers() {
		if time.Now().After(deadline) {
			t.Fatalf("pkcsslotd was started, but nothing answers on %s", ockSocket)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// answers tells whether a daemon serves the socket. Its greeting must be read to
// the end: a client that hangs up early kills it by SIGPIPE (3.8.1).
func answers() bool {
	c, err := net.Dial("unix", ockSocket)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return false
	}
	n, err := io.Copy(io.Discard, c)
	return err == nil && n > 0
}

// holder is the test of this process that has the soft token.
var holder struct {
	sync.Mutex
	name string
}

// lockOpencryptoki waits until no other test has the soft token, in this process
// or another.
func lockOpencryptoki(t testing.TB) {
	t.Helper()
	holder.Lock()
	name := holder.name
	holder.Unlock()
	if name != "" && (t.Name() == name || strings.HasPrefix(t.Name(), name+"/")) {
		t.Fatalf("%s has the soft token already: there is only one", name)
	}
	cache, err := cacheFolder()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(cache, "opencryptoki.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	holder.Lock()
	holder.name = t.Name()
	holder.Unlock()
	t.Cleanup(func() {
		holder.Lock()
		holder.name = ""
		holder.Unlock()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
}
