// Package hsm is the vocabulary of HSM administration: attributes as letters,
// key types, check values, key components and the sheets that custodians keep,
// token URIs, the export file. It knows neither devices nor disks.
package hsm

import (
	"strings"

	"ssovault/internal/fault"
)

// Attributes is a set of the attributes that a key may have.
type Attributes uint32

// The attributes. Those up to SignLocalCert have a letter; ProtectServer alone
// knows Export, Import, Exportable and SignLocalCert.
const (
	Private          Attributes = 1 << iota // P, CKA_PRIVATE
	Modifiable                              // M, CKA_MODIFIABLE
	Sensitive                               // T, CKA_SENSITIVE
	Wrap                                    // W, CKA_WRAP
	Export                                  // w, CKA_EXPORT of ProtectServer
	Import                                  // I, CKA_IMPORT of ProtectServer
	Unwrap                                  // U, CKA_UNWRAP
	Extractable                             // X, CKA_EXTRACTABLE
	Exportable                              // x, CKA_EXPORTABLE of ProtectServer
	Derive                                  // R, CKA_DERIVE
	Encrypt                                 // E, CKA_ENCRYPT
	Decrypt                                 // D, CKA_DECRYPT
	Sign                                    // S, CKA_SIGN
	Verify                                  // V, CKA_VERIFY
	SignLocalCert                           // L, CKA_SIGN_LOCAL_CERT of ProtectServer
	TrustedWrapOnly                         // no letter, CKA_WRAP_WITH_TRUSTED
	Trusted                                 // no letter, CKA_TRUSTED
	Local                                   // no letter, CKA_LOCAL: made in the token
	AlwaysSensitive                         // no letter, CKA_ALWAYS_SENSITIVE
	NeverExtractable                        // no letter, CKA_NEVER_EXTRACTABLE
)

// Past are those that tell how a key came to be: nobody asks for them or sets
// them.
const Past = Local | AlwaysSensitive | NeverExtractable

// letters are those of the attributes from Private on, in the manual's order,
// which is also that of the constants.
const letters = "PMTWwIUXxREDSVL"

// ParseAttributes reads letters in any order; none at all is the empty set.
// Cause Usage names a letter that is unknown or given twice.
func ParseAttributes(s string) (Attributes, error) {
	var a Attributes
	for _, r := range s {
		i := strings.IndexRune(letters, r)
		if i < 0 {
			return 0, fault.New(fault.Usage, "%q is no letter of an attribute", r).
				With("the letters are " + strings.Join(strings.Split(letters, ""), " "))
		}
		one := Attributes(1) << i
		if a.Has(one) {
			return 0, fault.New(fault.Usage, "attribute %q is given twice", r)
		}
		a |= one
	}
	return a, nil
}

// String gives the letters in the manual's order. What has no letter is left
// out.
func (a Attributes) String() string {
	var b strings.Builder
	for i := range len(letters) {
		if a.Has(1 << i) {
			b.WriteByte(letters[i])
		}
	}
	return b.String()
}

// Has tells whether all of b are in a.
func (a Attributes) Has(b Attributes) bool { return a&b == b }
