package isolate

import (
	"slices"
	"strings"
)

// kept names the variables that a helper process gets: what the C library and
// the dynamic linker need.
var kept = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}

// keptPrefixes begin the variables of locales and of the vendors' libraries.
var keptPrefixes = []string{
	"LC_",
	"SOFTHSM2_",
	"ChrystokiConfigurationPath", // Thales Luna
	"ET_",                        // SafeNet ProtectServer
	"CLOUDHSM_",
	"P11_KIT_",
	"OPENCRYPTOKI", "OCK_",
	"PKCS11SPY", // OpenSC's spy module
	"YUBIHSM_",
	"CKNFAST_", "NFAST_", // nShield
	"CS_PKCS11_", // Utimaco
}

// clean gives the part of an environment that a helper process gets. What names
// secrets is not in it, nor LD_PRELOAD and its like; LD_LIBRARY_PATH is, since
// vendors' installations rely on it.
func clean(environment []string) []string {
	var out []string
	for _, v := range environment {
		name, _, ok := strings.Cut(v, "=")
		if ok && (slices.Contains(kept, name) || hasKeptPrefix(name)) {
			out = append(out, v)
		}
	}
	return append(out, memory)
}

// memory suits the C library's allocation to what a PKCS#11 library asks of it.
// Huge pages, where it allocates much: the copies that it makes of 16 MiB are
// otherwise mostly page faults. One arena, since one thread at a time is in the
// library, but not always the same one; it grows by a mebibyte, and keeps more
// freed blocks at hand: a list of 10000 keys in SoftHSM, which is mostly small
// allocations, takes a fifth less.
const memory = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:glibc.malloc.top_pad=1048576:glibc.malloc.tcache_count=127"

func hasKeptPrefix(name string) bool {
	return slices.ContainsFunc(keptPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
