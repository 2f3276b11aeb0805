package properties

import "slices"

// File is one of the two property files.
type File uint8

// The files of a data folder. Do not reorder.
const (
	Instance File = iota // of one connector on one server
	Shared               // the same on all instances
)

// String gives the file's name without its extension.
func (f File) String() string {
	if f == Shared {
		return "shared"
	}
	return "instance"
}

// What Setting.Copied says of a setting that names a file.
const (
	KeyStore = "key store"
	Metadata = "metadata"
)

// Setting describes a property that ssovault knows.
type Setting struct {
	Key         string // also the parameter name in administrators' scripts
	Question    string // literal text of the dialog; "" where nothing is asked
	Default     string
	DefaultFrom string // the key whose answer is the default
	File        File
	Secret      bool   // never shown, never taken from a command line
	Generated   bool   // made at the first configuration, kept from then on
	Optional    bool   // an empty answer is an answer
	Copied      string // KeyStore or Metadata: the answer names a file that is copied to data/

	normalize func(string) (string, error)
}

// Normalize checks an answer and gives the form in which it is kept: "y" as
// "true", "azure" as "Azure AD", a port without leading zeros. An empty answer
// is returned as it is where the setting is optional; defaults are the caller's
// to fill in first. The error is a sentence about the answer, without the key;
// for a secret it never holds the answer.
func (s Setting) Normalize(answer string) (string, error) {
	if s.normalize == nil || answer == "" && s.Optional {
		return answer, nil
	}
	return s.normalize(answer)
}

// schema is in the order of the dialog. Scripts rely on the keys and the
// questions: do not change them.
var schema = []Setting{
	{Key: "sso_domain", Question: "SSO Domain Name", File: Shared, normalize: domain},
	// Default: the machine's name, which only the dialog knows.
	{Key: "sso_connect_host", Question: "SSO Connect External Hostname or IP Address", File: Shared, normalize: host},
	{Key: "sso_ssl_port", Question: "External SSL Port", Default: "8443", File: Shared, normalize: port},
	{Key: "private_ip", Question: "Local (private) IP", Optional: true, normalize: address},
	{Key: "private_port", Question: "Local (private) Port", DefaultFrom: "sso_ssl_port", normalize: port},
	{Key: "admin_port", Question: "Admin port", Default: "8080", normalize: port},
	{Key: "saml_sign", Question: "Use certificates to decrypt and sign the SAML requests and responses",
		Default: "true", File: Shared, normalize: boolean},
	{Key: "attribute_first_name", Question: "SAML attribute for First Name", Default: "First", File: Shared, normalize: attribute},
	{Key: "attribute_last_name", Question: "SAML attribute for Last Name", Default: "Last", File: Shared, normalize: attribute},
	{Key: "attribute_email", Question: "SAML attribute for Email", Default: "Email", File: Shared, normalize: attribute},
	{Key: "idp_type", Question: "IdP type", Default: "Other", File: Shared, normalize: idpType},
	{Key: "ssl_file", Question: "SSL certificate file (.jks .p12 .pfx .pem)", File: Shared, Copied: KeyStore, normalize: path},
	{Key: "key_store_password", Question: "Key store password", File: Shared, Secret: true, Optional: true, normalize: password},
	{Key: "key_password", Question: "Private key password", File: Shared, Secret: true, Optional: true, normalize: password},
	{Key: "saml_file", Question: "IdP SAML metadata file", File: Shared, Copied: Metadata, normalize: path},
	{Key: "instance_number", Generated: true, normalize: instanceNumber},
	{Key: "instance_secret_key", Secret: true, Generated: true, normalize: secretKey},
	{Key: "shared_secret_key", File: Shared, Secret: true, Generated: true, normalize: secretKey},
}

// Schema gives the known settings in the order of the dialog.
func Schema() []Setting { return slices.Clone(schema) }

// Lookup gives the setting of a key.
func Lookup(key string) (Setting, bool) {
	i := slices.IndexFunc(schema, func(s Setting) bool { return s.Key == key })
	if i < 0 {
		return Setting{}, false
	}
	return schema[i], true
}
