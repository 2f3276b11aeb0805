package wizard_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

func TestFirstRunSeals(t *testing.T) {
	s := newScene(t)
	result, transcript := s.must(s.pipe(s.first().lines()...))
	base := s.base
	want := `SSO Domain Name: acme
SSO Connect External Hostname or IP Address (sso.example.com): 
External SSL Port (8443): 
Local (private) IP (blank): 10.0.0.7
Local (private) Port (8443): 
Admin port (8080): 8081
Use certificates to decrypt and sign the SAML requests and responses (true): n
SAML attribute for First Name (First): 
SAML attribute for Last Name (Last): 
SAML attribute for Email (Email): mail
IdP type (Other): az
SSL certificate file (.jks .p12 .pfx .pem): ` + s.path("sso.p12") + `
Key store password (none): 
Private key password (none): 
Key store (PKCS#12) opened: CN=sso.example.com < CN=Test Root.
IdP SAML metadata file: ` + s.path("idp.xml") + `
Identity provider: https://idp.example.com/entity
Configure Secure Key Storage (y/N): y
IMPORTANT: Make sure that this server is already connected to a networked HSM or other secure key storage device.
Type of Secure Key Storage (Gemalto SafeNet Luna HSM): 
Secure storage device access parameters (slot,password): 
  slot: luna-a
  found: luna-a (serial 1001, slot 0)
  password: 
A certificate chain is required in order to store an encryption key.
You may use the SSL certificate file entered previously, or use a different one.
Certificate chain file (` + base + `/data/sso_keystore.jks): 
Certificate chain file password (none): 
2 certificates found
How does the service get the password at start (file): 
With this source a stolen disk holds the PIN too; what it lacks is the HSM itself.
Enable Secure Key Storage (Y/n): 
Logging in to the token luna-a (serial 1001, slot 0) …
Making a key in the token, sealing the settings and opening them again …
Sealed: instance NUMBER, generation 1, with the key "SSO Vault Properties NUMBER" in the token luna-a (serial 1001, slot 0).
Log: ` + base + `/logs/ssovault.log
Next: ssovault run -- CMD
`
	o := s.open()
	number := o.Instance["instance_number"]
	if diff := cmp.Diff(strings.ReplaceAll(want, "NUMBER", number), transcript); diff != "" {
		t.Error(diff)
	}
	wantSettings := opened{Mode: vault.ModeSealed,
		Instance: map[string]string{"private_ip": "10.0.0.7", "private_port": "8443", "admin_port": "8081",
			"instance_number": "drawn", "instance_secret_key": "drawn"},
		Shared: map[string]string{"sso_domain": "acme", "sso_connect_host": "sso.example.com", "sso_ssl_port": "8443",
			"saml_sign": "false", "attribute_first_name": "First", "attribute_last_name": "Last", "attribute_email": "mail",
			"idp_type": "Azure AD", "ssl_file": "sso_keystore.jks", "key_store_password": storePassword,
			"saml_file": "idp_metadata.xml", "shared_secret_key": "drawn"}}
	if diff := cmp.Diff(wantSettings.answered(), o.answered()); diff != "" {
		t.Error(diff)
	}
	if result.Mode != vault.ModeSealed || !result.NewKey || result.Mark.Generation != 1 || result.Token.Serial != "1001" {
		t.Errorf("%+v", result)
	}
	if o.SKS.Type != sks.Luna || o.SKS.Library != s.path("library.so") || o.SKS.PIN.String() != "file" {
		t.Errorf("%+v", o.SKS)
	}
	if got, err := os.ReadFile(filepath.Join(base, "sks.pin")); err != nil || string(got) != tokenPIN {
		t.Errorf("sks.pin: %q, %v", got, err)
	}
	if string(s.shelf[0].Certificate(o.SKS.KeyID)) != string(s.stores.leaf.Raw) {
		t.Error("the leaf is not beside the key")
	}
}

func TestFirstRunInTheClear(t *testing.T) {
	for _, off := range []string{"configure", "enable"} {
		t.Run(off, func(t *testing.T) {
			s := newScene(t)
			p := s.clear()
			if off == "enable" {
				p = s.first().with("-enable", "n")
			}
			p = p.with("ssl_file", s.path("sso.pem")).with("key_store_password", "")
			result, transcript := s.must(s.pipe(p.lines()...))
			if strings.Count(transcript, "Warning: Secure Key Storage is off") != 1 {
				t.Error(transcript)
			}
			o := s.open()
			if _, has := o.Shared["key_store_password"]; has || o.Mode != vault.ModeClear || o.Shared["ssl_file"] != "sso_keystore.pem" {
				t.Errorf("%+v", o)
			}
			if result.Mode != vault.ModeClear || len(s.shelf[0].Labels()) != 0 {
				t.Errorf("%+v, %v", result, s.shelf[0].Labels())
			}
			info, err := os.Stat(filepath.Join(s.base, "data", "instance.properties"))
			if err != nil || info.Mode() != 0o600 {
				t.Error(info, err)
			}
			if _, err := os.Stat(filepath.Join(s.base, "sks.pin")); err == nil {
				t.Error("a PIN was written for nothing")
			}
		})
	}
}
