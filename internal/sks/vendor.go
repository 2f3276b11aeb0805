package sks

import (
	"slices"
	"strings"
)

// Vendor is a type of secure key storage as the dialog names it.
type Vendor struct {
	Name string
	// Libraries are the usual paths of its PKCS#11 library, newest first.
	Libraries []string
	// Serialise: see Access.
	Serialise bool
	// CryptoUser: the device knows that role.
	CryptoUser bool
}

// Names of the types, as stored in sks.properties.
const (
	Luna          = "Gemalto SafeNet Luna HSM"
	ProtectServer = "SafeNet ProtectServer"
	CloudHSM      = "AWS CloudHSM"
	SoftHSM       = "SoftHSM"
	Other         = "Other PKCS#11"
)

// Vendors gives the types in the dialog's order.
func Vendors() []Vendor {
	return []Vendor{
		{Name: Luna, CryptoUser: true, Libraries: []string{
			"/usr/safenet/lunaclient/lib/libCryptoki2_64.so",
			"/usr/safenet/lunaclient/libs/64/libCryptoki2.so",
			"/usr/lunasa/lib/libCryptoki2_64.so",
		}},
		{Name: ProtectServer, Libraries: []string{
			"/opt/safenet/protecttoolkit5/ptk/lib/libcryptoki.so",
			"/opt/safenet/protecttoolkit7/ptk/lib/libcryptoki.so",
			"/opt/PTK/lib/libcryptoki.so",
		}},
		{Name: CloudHSM, Libraries: []string{"/opt/cloudhsm/lib/libcloudhsm_pkcs11.so"}},
		{Name: SoftHSM, Serialise: true, Libraries: []string{
			"/usr/lib/softhsm/libsofthsm2.so",
			"/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
			"/usr/lib64/pkcs11/libsofthsm2.so",
			"/usr/lib64/softhsm/libsofthsm2.so",
			"/usr/local/lib/softhsm/libsofthsm2.so",
		}},
		{Name: Other},
	}
}

// VendorNamed finds a type by its name; an unknown name is Other.
func VendorNamed(name string) Vendor {
	all := Vendors()
	for _, v := range all {
		if v.Name == name {
			return v
		}
	}
	return all[len(all)-1]
}

// VendorOf tells the type of a device by where its library lies, or else by
// what the token says of itself. What neither tells is Other.
func VendorOf(library string, t Token) Vendor {
	for _, v := range Vendors() {
		if slices.Contains(v.Libraries, library) || v.Name == SoftHSM && strings.HasPrefix(t.Manufacturer, v.Name) {
			return v
		}
	}
	return VendorNamed(Other)
}
