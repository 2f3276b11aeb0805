package hsm

import "strings"

// names are those of the standard and of ProtectServer's toolkit, in the order
// of the constants.
var names = [...]string{"CKA_PRIVATE", "CKA_MODIFIABLE", "CKA_SENSITIVE", "CKA_WRAP", "CKA_EXPORT", "CKA_IMPORT", "CKA_UNWRAP", "CKA_EXTRACTABLE",
	"CKA_EXPORTABLE", "CKA_DERIVE", "CKA_ENCRYPT", "CKA_DECRYPT", "CKA_SIGN", "CKA_VERIFY", "CKA_SIGN_LOCAL_CERT", "CKA_WRAP_WITH_TRUSTED", "CKA_TRUSTED",
	"CKA_LOCAL", "CKA_ALWAYS_SENSITIVE", "CKA_NEVER_EXTRACTABLE"}

// Names gives the attributes for a sentence: their letters with their names,
// "X (CKA_EXTRACTABLE)".
func (a Attributes) Names() string {
	var all []string
	for i, name := range names {
		one := Attributes(1) << i
		if !a.Has(one) {
			continue
		}
		if letter := one.String(); letter != "" {
			name = letter + " (" + name + ")"
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
