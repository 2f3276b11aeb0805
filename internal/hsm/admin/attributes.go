//go:build cgo

package admin

import (
	"github.com/miekg/pkcs11"

	"ssovault/internal/hsm"
	"ssovault/internal/library"
)

// vendor is where the numbers of vendors begin (CKA_VENDOR_DEFINED).
const vendor = 0x80000000

// numbers gives the CKA number of each attribute. Those of ProtectServer are its
// toolkit's; on another vendor's device they may mean something else, and are
// asked for only where a key is to have one.
var numbers = []struct {
	attribute hsm.Attributes
	number    uint
}{
	{hsm.Private, pkcs11.CKA_PRIVATE},
	{hsm.Modifiable, pkcs11.CKA_MODIFIABLE},
	{hsm.Sensitive, pkcs11.CKA_SENSITIVE},
	{hsm.Wrap, pkcs11.CKA_WRAP},
	{hsm.Export, vendor + 0x128},
	{hsm.Import, vendor + 0x12B},
	{hsm.Unwrap, pkcs11.CKA_UNWRAP},
	{hsm.Extractable, pkcs11.CKA_EXTRACTABLE},
	{hsm.Exportable, vendor + 0x129},
	{hsm.Derive, pkcs11.CKA_DERIVE},
	{hsm.Encrypt, pkcs11.CKA_ENCRYPT},
	{hsm.Decrypt, pkcs11.CKA_DECRYPT},
	{hsm.Sign, pkcs11.CKA_SIGN},
	{hsm.Verify, pkcs11.CKA_VERIFY},
	{hsm.SignLocalCert, vendor + 0x127},
	{hsm.TrustedWrapOnly, pkcs11.CKA_WRAP_WITH_TRUSTED},
	{hsm.Trusted, pkcs11.CKA_TRUSTED},
	{hsm.Local, pkcs11.CKA_LOCAL},
	{hsm.AlwaysSensitive, pkcs11.CKA_ALWAYS_SENSITIVE},
	{hsm.NeverExtractable, pkcs11.CKA_NEVER_EXTRACTABLE},
}

// attributesOf reads the set out of values, and which of them were told.
func attributesOf(values library.Values) (has, known hsm.Attributes) {
	for _, n := range numbers {
		v, told := values.Of(n.number)
		if !told || len(v) != 1 {
			continue
		}
		known |= n.attribute
		if v[0] != 0 {
			has |= n.attribute
		}
	}
	return has, known
}

// template gives the truth values of the attributes in which, as a template.
func template(which, has hsm.Attributes) (t []*pkcs11.Attribute) {
	for _, n := range numbers {
		if which.Has(n.attribute) {
			t = append(t, pkcs11.NewAttribute(n.number, has.Has(n.attribute)))
		}
	}
	return t
}
