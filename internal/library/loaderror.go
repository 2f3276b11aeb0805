//go:build cgo

package library

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

// dlerror speaks for the calling thread, so both calls are made on one.
static const char *why_not(const char *path, int *loaded)
{
	void *handle = dlopen(path, RTLD_LAZY);
	if (handle == NULL)
		return dlerror();
	*loaded = 1;
	dlclose(handle);
	return NULL;
}
*/
import "C"

import (
	"debug/elf"
	"os"
	"runtime"
	"unsafe"

	"ssovault/internal/fault"
)

// machines gives the ELF machine that this program's architecture needs. The
// loader reports another machine's library as missing.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "riscv64": elf.EM_RISCV}

const adviceLibrary = "correct sks.library in data/sks.properties, or name the vendor's PKCS#11 library in 'ssovault -config'"

// loadError finds out why a library could not be loaded: the binding forgets
// what the loader said. Cause Unreachable.
func loadError(library string) error {
	if _, err := os.Stat(library); err != nil {
		return fault.Wrap(fault.Unreachable, err, "load the PKCS#11 library")
	}
	f, err := elf.Open(library)
	if err != nil {
		return &fault.Error{Op: "load " + library + ": it is no shared library", Cause: fault.Unreachable, Err: err, Advice: adviceLibrary}
	}
	machine := f.Machine
	_ = f.Close()
	if want, known := machines[runtime.GOARCH]; known && machine != want {
		return fault.New(fault.Unreachable, "load %s: it is built for another architecture (%s; this program is %s)", library, machine, want).With(adviceLibrary)
	}
	path := C.CString(library)
	defer C.free(unsafe.Pointer(path))
	var loaded C.int
	text := C.why_not(path, &loaded)
	if loaded != 0 {
		return fault.New(fault.Unreachable, "load %s: it has no C_GetFunctionList, so it is no PKCS#11 library", library).With(adviceLibrary)
	}
	return fault.New(fault.Unreachable, "load the PKCS#11 library: %s", C.GoString(text)).
		With("install what the library needs, or name its folder in LD_LIBRARY_PATH; 'ldd' lists what is missing")
}
