package helper

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
// secrets, or makes a program load other code, is not in it.
func clean(environment []string) []string {
	var out []string
	for _, v := range environment {
		name, _, ok := strings.Cut(v, "=")
		if ok && (slices.Contains(kept, name) || hasKeptPrefix(name)) {
			out = append(out, v)
		}
	}
	return out
}

func hasKeptPrefix(name string) bool {
	return slices.ContainsFunc(keptPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
