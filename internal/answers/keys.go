// Package answers holds answers that were prepared for the configuration
// dialog: a file of them, or the words of a command line.
package answers

import (
	"slices"
	"strings"

	"ssovault/internal/properties"
)

// key is one answer that can be prepared.
type key struct {
	name    string
	text    string // what it is, for the commented file
	initial string // its default, or ""
	source  bool   // it names where a secret comes from
	yesOrNo bool
	must    bool // it has no default at the first configuration
}

// sourceSuffix turns the name of a secret into that of its source.
const sourceSuffix = "_source"

// keys is every key, in the order of the dialog.
var keys = slices.Concat(settings(), []key{
	{name: "sks", text: "Configure Secure Key Storage: y or n (the settings lie in the clear)", initial: "n", yesOrNo: true},
	{name: "sks_type", text: "Type of Secure Key Storage: its name, a unique prefix, or its number in the dialog"},
	{name: "sks_library", text: "PKCS#11 library: an absolute path; needed for 'Other PKCS#11', and where the library of the type lies in an unusual place"},
	{name: "sks_slot", text: "the token: its slot number, label or serial number"},
	{name: "sks_password" + sourceSuffix, text: "the token's password", source: true},
	{name: "chain_file", text: "Certificate chain file; empty: the SSL certificate file"},
	{name: "chain_password" + sourceSuffix, text: "Certificate chain file password; empty: none, or that of the SSL certificate file", source: true},
	{name: "pin_source", text: "how the service gets the password at start", initial: "file", source: true},
	{name: "renew_secrets", text: "make new secrets when files are sealed that lay in the clear: y or n", initial: "n", yesOrNo: true},
	{name: "start_afresh", text: "begin anew when the present files cannot be opened; they are kept aside: y or n", initial: "n", yesOrNo: true},
})

// settings are the keys of the schema that somebody answers.
func settings() []key {
	var all []key
	for _, s := range properties.Schema() {
		k := key{name: s.Key, text: s.Question, initial: s.Default}
		switch {
		case s.Generated:
			continue
		case s.Secret:
			k.name, k.source, k.initial = s.Key+sourceSuffix, true, ""
			k.text += "; empty: none, or unchanged"
		case s.DefaultFrom != "":
			k.text += "; empty: as " + s.DefaultFrom
		case s.Default == "" && !s.Optional && s.Key != hostKey:
			k.must = true
		}
		if s.Key == "idp_type" {
			k.text += ": " + strings.Join(properties.IdPTypes(), ", ")
		}
		all = append(all, k)
	}
	return all
}

// hostKey is the setting whose default is this machine's name.
const hostKey = "sso_connect_host"

// Keys gives every key in the order of the dialog. Each is also a word of the
// command line.
func Keys() []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

func lookup(name string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.name == name })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

// Describe says what a key is, for help texts; "" for an unknown one.
func Describe(name string) string {
	k, _ := lookup(name)
	return k.text
}
