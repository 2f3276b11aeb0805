package p11test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Module is a PKCS#11 module that stands in front of a real one and fails by
// plan. Its counts, its log and an absence outlive the processes that load it,
// so a program under test may reach it through any number of helpers.
//
// A Module belongs to one test; its methods must not be called by two
// goroutines at once.
type Module struct {
	Path string // of the .so, in a folder that only this user can enter

	t       testing.TB
	library string
}

// Faulty makes a Module in front of realLibrary; an empty one stands for
// SoftHSM. It has an empty plan: every call goes through.
func Faulty(t testing.TB, realLibrary string) *Module {
	t.Helper()
	if realLibrary == "" {
		if realLibrary = firstFile(softHSMLibraries); realLibrary == "" {
			t.Fatal("SoftHSM is missing: install the package softhsm2")
		}
	}
	code, err := os.ReadFile(built(t, moduleBinary))
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "module")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	// A symbolic link on the way would give the module another name for itself.
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		t.Fatal(err)
	}
	m := &Module{Path: filepath.Join(folder, "p11fault.so"), t: t, library: realLibrary}
	if err := os.WriteFile(m.Path, code, 0o700); err != nil {
		t.Fatal(err)
	}
	m.Plan()
	return m
}

// Plan replaces the plan; the lines' grammar is told at the top of
// testdata/p11fault/plan.c, and the library is added to them. It holds from the
// next call on, in running processes too. Counts go on: call Reset for "the
// first from now". A line that the module does not understand ends the process
// that loads it.
func (m *Module) Plan(lines ...string) {
	m.t.Helper()
	text := "library " + m.library + "\n"
	for _, line := range lines {
		text += line + "\n"
	}
	// A rename, since another process may read the plan at any moment.
	next := m.Path + ".conf.next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(next, m.Path+".conf"); err != nil {
		m.t.Fatal(err)
	}
}

// Calls gives the number of calls of all processes since the last Reset,
// C_GetFunctionList among them.
func (m *Module) Calls() int { m.t.Helper(); return m.count("*") }

// CallsOf gives the number of calls of one function, by its C name.
func (m *Module) CallsOf(name string) int { m.t.Helper(); return m.count(name) }

// Log gives the lines of the log, "<pid> <seq> C_Name 0xRV", when the plan says
// "log". A call that never came back has the word kill, kill-after, hang, crash
// or exit in place of its code.
func (m *Module) Log() []string {
	m.t.Helper()
	data, err := os.ReadFile(m.Path + ".log")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// Reset sets the counts to zero and empties the log. The plan stays.
func (m *Module) Reset() {
	m.t.Helper()
	m.remove(".log")
	data := m.records()
	if data == nil {
		return
	}
	// In place: processes that run have the file mapped.
	f, err := os.OpenFile(m.Path+".count", os.O_WRONLY, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	for at := 0; at < len(data); at += recordSize {
		if _, err := f.WriteAt(make([]byte, recordSize-nameSize), int64(at+nameSize)); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		m.t.Fatal(err)
	}
}

// Vanish takes the tokens away, as the action "vanish" does.
func (m *Module) Vanish() {
	m.t.Helper()
	if err := os.WriteFile(m.Path+".gone", nil, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

// Return brings vanished tokens back. Their sessions stay closed.
func (m *Module) Return() { m.t.Helper(); m.remove(".gone") }

func (m *Module) remove(suffix string) {
	m.t.Helper()
	if err := os.Remove(m.Path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
}

// The file of counts holds records of a name, padded with zeros, and a count in
// little-endian order.
const (
	nameSize   = 32
	recordSize = nameSize + 8
)

// records gives the file of counts, or nil before the module was first loaded.
func (m *Module) records() []byte {
	m.t.Helper()
	data, err := os.ReadFile(m.Path + ".count")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.t.Fatal(err)
	}
	if len(data)%recordSize != 0 {
		m.t.Fatalf("%s.count has %d bytes", m.Path, len(data))
	}
	return data
}

func (m *Module) count(name string) int {
	m.t.Helper()
	data := m.records()
	for at := 0; at < len(data); at += recordSize {
		if string(bytes.TrimRight(data[at:at+nameSize], "\x00")) == name {
			return int(binary.LittleEndian.Uint64(data[at+nameSize:]))
		}
	}
	// The module writes "*" last: before that it has not counted yet.
	ready := bytes.Contains(data, append([]byte("*"), make([]byte, nameSize-1)...))
	if ready || name != "*" && !strings.HasPrefix(name, "C_") {
		m.t.Fatalf("PKCS#11 has no function %s", name)
	}
	return 0
}
