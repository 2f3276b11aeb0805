package pin

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A variable can be read in /proc/PID/environ for as long as the process
// lives, whatever it does to its own copy. So ssovault starts itself again
// without the variables that hold secrets, and hands their values over in a
// memory file.

// hiddenFD names the descriptor of that memory file.
const hiddenFD = "SSOVAULT_HIDDEN_FD"

// maxHidden bounds what is read from it: as much as one argument may be long.
const maxHidden = 128 << 10

// Hidden are variables that were taken out of the environment.
type Hidden map[string]string

// TakeHidden reads what the process before this exec handed over. It must be
// called once, early.
func TakeHidden() (Hidden, error) {
	number, ok := os.LookupEnv(hiddenFD)
	if !ok {
		return nil, nil
	}
	os.Unsetenv(hiddenFD)
	n, err := strconv.Atoi(number)
	if err != nil || n < 3 {
		return nil, fmt.Errorf("%s=%q is not a descriptor", hiddenFD, number)
	}
	f := os.NewFile(uintptr(n), "hidden variables")
	defer f.Close()
	b := make([]byte, maxHidden)
	defer clear(b)
	length, err := f.ReadAt(b, 0)
	if length == 0 || length == len(b) {
		return nil, fmt.Errorf("the hidden variables cannot be read: %w", err)
	}
	hidden := Hidden{}
	for line := range bytes.SplitSeq(bytes.TrimSuffix(b[:length], []byte{0}), []byte{0}) {
		name, value, _ := strings.Cut(string(line), "=")
		hidden[name] = value
	}
	return hidden, nil
}

// Lookup finds a variable among the hidden ones, then in the environment.
func (h Hidden) Lookup(name string) (string, bool) {
	if v, ok := h[name]; ok {
		return v, true
	}
	return os.LookupEnv(name)
}

// Hide starts this program again, same process, without those of the named
// variables that are in the environment; it returns nil when none is, and an
// error when it cannot. Nothing must have been read from standard input yet.
func (h Hidden) Hide(names ...string) error {
	var text bytes.Buffer
	put := func(name, value string) { fmt.Fprintf(&text, "%s=%s\x00", name, value) }
	rest := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		if !slices.Contains(names, name) {
			return false
		}
		put(name, value)
		return true
	})
	if text.Len() == 0 {
		return nil
	}
	for name, value := range h {
		put(name, value)
	}
	defer clear(text.Bytes())
	fd, err := unix.MemfdCreate("ssovault-hidden", 0) // must survive the exec
	if err != nil {
		return fmt.Errorf("hide variables: %w", err)
	}
	if _, err := unix.Pwrite(fd, text.Bytes(), 0); err != nil {
		return fmt.Errorf("hide variables: %w", err)
	}
	rest = append(rest, hiddenFD+"="+strconv.Itoa(fd))
	return fmt.Errorf("start again without variables: %w", syscall.Exec("/proc/self/exe", os.Args, rest))
}
