package p11test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// program is a C program or library under testdata.
type program struct {
	name    string
	folder  string // below testdata
	flags   []string
	pkcs11  bool // needs the OASIS headers
	libs    []string
	sources []string // further folders that it depends on
}

var (
	moduleBinary = program{name: "p11fault.so", folder: "p11fault", pkcs11: true,
		flags: []string{"-fPIC", "-shared", "-fvisibility=hidden"}, libs: []string{"-ldl", "-lpthread"}}
	listBinary = program{name: "p11list", folder: "p11fault/list", pkcs11: true,
		libs: []string{"-ldl"}, sources: []string{"p11fault"}}
	tracerBinary = program{name: "sysfault", folder: "sysfault"}
)

// compileFlags: a warning is an error, since nobody reads the output of a test
// that passes.
var compileFlags = []string{"-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror"}

// built gives the path of b, compiled at most once for its sources. Packages
// that are tested at the same time may both compile it; the rename makes
// either result whole.
func built(t testing.TB, b program) string {
	t.Helper()
	path, err := b.build()
	if err != nil {
		t.Fatalf("build %s: %v", b.name, err)
	}
	return path
}

func (b program) build() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	testdata := filepath.Join(root, "testdata")
	key, err := b.key(root)
	if err != nil {
		return "", err
	}
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	target := filepath.Join(cache, key, b.name)
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	sources, err := filepath.Glob(filepath.Join(testdata, b.folder, "*.c"))
	if err != nil || len(sources) == 0 {
		return "", fmt.Errorf("no C sources in testdata/%s", b.folder)
	}
	args := slices.Concat(compileFlags, b.flags)
	if b.pkcs11 {
		headers, err := pkcs11Headers(root)
		if err != nil {
			return "", err
		}
		args = append(args, "-I"+headers)
	}
	made := filepath.Join(work, b.name)
	args = slices.Concat(args, []string{"-o", made}, sources, b.libs)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", errors.New("no C compiler: install the package gcc")
		}
		return "", fmt.Errorf("cc: %w\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return "", err
	}
	return target, os.Rename(made, target)
}

// key is a digest of all that the result depends on: the sources, the way they
// are compiled, and by go.mod the version of the headers.
func (b program) key(root string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, b.name, compileFlags, b.flags, b.libs, runtime.GOOS, runtime.GOARCH)
	files := []string{filepath.Join(root, "go.mod")}
	for _, folder := range append([]string{b.folder}, b.sources...) {
		for _, pattern := range []string{"*.c", "*.h"} {
			found, err := filepath.Glob(filepath.Join(root, "testdata", folder, pattern))
			if err != nil {
				return "", err
			}
			files = append(files, found...)
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", filepath.Base(file), len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:24], nil
}

// pkcs11Headers finds the headers that the Go binding is compiled with, so that
// the repository needs no copy of them.
func pkcs11Headers(root string) (string, error) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/miekg/pkcs11")
	cmd.Dir = root
	out, err := cmd.Output()
	folder := strings.TrimSpace(string(out))
	if err != nil || folder == "" {
		return "", fmt.Errorf("the folder of github.com/miekg/pkcs11 is unknown: %w", errors.Join(err, os.ErrNotExist))
	}
	return folder, nil
}

// cacheFolder is where compiled tools are kept: the user's own, or one in the
// temporary folder that nobody else can have prepared.
func cacheFolder() (string, error) {
	if cache, err := os.UserCacheDir(); err == nil {
		folder := filepath.Join(cache, "ssovault-test")
		if os.MkdirAll(folder, 0o700) == nil {
			return folder, nil
		}
	}
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("ssovault-test-%d", os.Getuid()))
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Getuid() || info.Mode().Perm() != 0o700 {
		return "", fmt.Errorf("%s is not a private folder of this user", folder)
	}
	return folder, nil
}

// startFolder is the package's folder, where "go test" starts every test,
// before a test can have changed it.
var startFolder, startErr = os.Getwd()

// moduleRoot walks up to go.mod. It does not rely on runtime.Caller, which
// gives no usable path under -trimpath.
func moduleRoot() (string, error) {
	if startErr != nil {
		return "", startErr
	}
	for folder := startFolder; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("no go.mod above %s", startFolder)
		}
	}
}

// Sysfault gives the path of the tracer, compiled when needed. Its use is told
// at the top of testdata/sysfault/sysfault.c. To follow a program that makes
// itself undumpable the test must run as root.
func Sysfault(t testing.TB) string {
	t.Helper()
	return built(t, tracerBinary)
}
