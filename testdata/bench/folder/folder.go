// Package folder is what the smallest Go programs need beside PKCS#11: to read
// an install folder, without a check, and to hand over what was unsealed.
package folder

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Must gives v, or ends the program.
func Must[T any](v T, err error) T {
	Check(err)
	return v
}

// Check ends the program at an error.
func Check(err error) {
	if err != nil {
		log.SetFlags(0)
		log.Fatal(err)
	}
}

// Folder is what a start needs of an install folder.
type Folder struct {
	SKS              map[string]string // sks.properties
	PIN              string
	Instance, Shared Sealed
}

// Sealed is a sealed file: the IV, what it is bound to, and the rest.
type Sealed struct{ IV, AAD, Box []byte }

// Read reads the folder.
func Read(base string) Folder {
	f := Folder{SKS: map[string]string{}}
	data := filepath.Join(base, "data")
	for line := range strings.Lines(string(Must(os.ReadFile(filepath.Join(data, "sks.properties"))))) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		f.SKS[key] = value
	}
	f.PIN = strings.TrimSpace(string(Must(os.ReadFile(filepath.Join(base, "sks.pin")))))
	f.Instance = read(filepath.Join(data, "instance.encp"))
	f.Shared = read(filepath.Join(data, "shared.encp"))
	return f
}

func read(path string) Sealed {
	file := Must(os.ReadFile(path))
	cut := bytes.Index(file, []byte("\n\n")) + 2
	box := file[cut : len(file)-32]
	return Sealed{IV: box[:12], AAD: file[:cut], Box: box[12:]}
}

// HandOver prints the settings, or becomes the command with them: "unseal BASE"
// or "run BASE CMD".
func HandOver(instance, shared []byte) {
	if os.Args[1] == "unseal" {
		os.Stdout.Write(instance)
		os.Stdout.Write(shared)
		return
	}
	env := os.Environ()
	for name, text := range map[string][]byte{"SSOVAULT_INSTANCE": instance, "SSOVAULT_SHARED": shared} {
		fd := Must(unix.MemfdCreate(name, 0))
		Must(unix.Write(fd, text))
		env = append(env, fmt.Sprintf("%s=/proc/self/fd/%d", name, fd))
	}
	Check(syscall.Exec(os.Args[3], os.Args[3:], env))
}
