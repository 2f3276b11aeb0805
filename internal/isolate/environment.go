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
	return append(out, hugePages)
}

// hugePages lets the C library ask for huge pages where it allocates much: the
// copies that a PKCS#11 library makes of 16 MiB are otherwise mostly page faults.
const hugePages = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1"

func hasKeptPrefix(name string) bool {
	return slices.ContainsFunc(keptPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
