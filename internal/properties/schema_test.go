package properties_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/properties"
)

// TestSchema pins what administrators' scripts and transcripts rely on.
func TestSchema(t *testing.T) {
	t.Parallel()
	var got []string
	for _, s := range properties.Schema() {
		row := []string{s.Key, s.Question, s.Default + s.DefaultFrom, s.File.String(), s.Copied}
		for _, flag := range []struct {
			on   bool
			name string
		}{{s.Secret, "secret"}, {s.Generated, "generated"}, {s.Optional, "optional"}} {
			if flag.on {
				row = append(row, flag.name)
			}
		}
		got = append(got, strings.Join(row, "|"))
	}
	want := []string{
		"sso_domain|SSO Domain Name||shared|",
		"sso_connect_host|SSO Connect External Hostname or IP Address||shared|",
		"sso_ssl_port|External SSL Port|8443|shared|",
		"private_ip|Local (private) IP||instance||optional",
		"private_port|Local (private) Port|sso_ssl_port|instance|",
		"admin_port|Admin port|8080|instance|",
		"saml_sign|Use certificates to decrypt and sign the SAML requests and responses|true|shared|",
		"attribute_first_name|SAML attribute for First Name|First|shared|",
		"attribute_last_name|SAML attribute for Last Name|Last|shared|",
		"attribute_email|SAML attribute for Email|Email|shared|",
		"idp_type|IdP type|Other|shared|",
		"ssl_file|SSL certificate file (.jks .p12 .pfx .pem)||shared|key store",
		"key_store_password|Key store password||shared||secret|optional",
		"key_password|Private key password||shared||secret|optional",
		"saml_file|IdP SAML metadata file||shared|metadata",
		"instance_number|||instance||generated",
		"instance_secret_key|||instance||secret|generated",
		"shared_secret_key|||shared||secret|generated",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDefaultsAreAnswers(t *testing.T) {
	t.Parallel()
	for _, s := range properties.Schema() {
		if s.Default != "" {
			if got, err := s.Normalize(s.Default); got != s.Default || err != nil {
				t.Errorf("%s: default %q gives %q, %v", s.Key, s.Default, got, err)
			}
		}
		if _, ok := properties.Lookup(s.DefaultFrom); s.DefaultFrom != "" && !ok {
			t.Errorf("%s: default from %q, which does not exist", s.Key, s.DefaultFrom)
		}
		_, err := s.Normalize("")
		if (err == nil) != s.Optional {
			t.Errorf("%s: optional is %v, and an empty answer gives %v", s.Key, s.Optional, err)
		}
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for _, test := range []struct{ key, answer, want, err string }{
		{"sso_ssl_port", " 08443 ", "8443", ""},
		{"sso_ssl_port", "1", "1", ""},
		{"sso_ssl_port", "65535", "65535", ""},
		{"admin_port", "65536", "", `port must be a number from 1 to 65535, not "65536"`},
		{"admin_port", "0", "", `port must be a number from 1 to 65535, not "0"`},
		{"private_port", "x", "", `port must be a number from 1 to 65535, not "x"`},
		{"private_port", "+80", "", `port must be a number from 1 to 65535, not "+80"`},
		{"sso_connect_host", "sso.example.com", "sso.example.com", ""},
		{"sso_connect_host", "sso.example.com.", "sso.example.com", ""},
		{"sso_connect_host", "localhost", "localhost", ""},
		{"sso_connect_host", "3com.com", "3com.com", ""},
		{"sso_connect_host", "xn--bcher-kva.example", "xn--bcher-kva.example", ""},
		{"sso_connect_host", "192.0.2.1", "192.0.2.1", ""},
		{"sso_connect_host", "2001:db8::1", "2001:db8::1", ""},
		{"sso_connect_host", strings.Repeat(long+".", 3) + long[:61], strings.Repeat(long+".", 3) + long[:61], ""},
		{"sso_connect_host", strings.Repeat(long+".", 3) + long[:62], "", "host name is 254 characters long; 253 are allowed"},
		{"sso_connect_host", long + "a.com", "", `"` + long + `a.com" is not a valid host name or IP address`},
		{"sso_connect_host", "bücher.example", "", `host name "bücher.example" must be written in ASCII (with xn--)`},
		{"sso_connect_host", "192.0.2.256", "", `"192.0.2.256" is not a valid host name or IP address`},
		{"sso_connect_host", "fe80::1%eth0", "", `"fe80::1%eth0" is not a valid host name or IP address`},
		{"sso_connect_host", "https://a", "", `"https://a" is not a valid host name or IP address`},
		{"sso_connect_host", "a_b.example", "", `"a_b.example" is not a valid host name or IP address`},
		{"sso_connect_host", "-a.example", "", `"-a.example" is not a valid host name or IP address`},
		{"sso_connect_host", "a..b", "", `"a..b" is not a valid host name or IP address`},
		{"sso_connect_host", ".", "", `"." is not a valid host name or IP address`},
		{"sso_connect_host", " ", "", "a host name or IP address is needed"},
		{"private_ip", "", "", ""},
		{"private_ip", " ", "", ""},
		{"private_ip", "10.0.0.1", "10.0.0.1", ""},
		{"private_ip", "fe80::1%eth0", "fe80::1%eth0", ""},
		{"private_ip", "fe80::1%a\nb", "", `"fe80::1%a\nb" is not a valid IP address`},
		{"private_ip", "host", "", `"host" is not a valid IP address`},
		{"saml_sign", "Y", "true", ""}, {"saml_sign", "yes", "true", ""}, {"saml_sign", "True", "true", ""}, {"saml_sign", "on", "true", ""},
		{"saml_sign", "n", "false", ""}, {"saml_sign", "NO", "false", ""}, {"saml_sign", "false", "false", ""}, {"saml_sign", "off", "false", ""},
		{"saml_sign", "1", "", `answer yes or no (true, false, on and off do as well), not "1"`},
		{"attribute_email", "urn:oid:0.9.2342.19200300.100.1.3", "urn:oid:0.9.2342.19200300.100.1.3", ""},
		{"attribute_email", "a\tb", "", `SAML attribute name "a\tb" is not a single line of text`},
		{"attribute_email", strings.Repeat("é", 256), "", "SAML attribute name is longer than 255 characters"},
		{"idp_type", "azure ad", "Azure AD", ""}, {"idp_type", "az", "Azure AD", ""}, {"idp_type", "2", "Azure AD", ""},
		{"idp_type", "8", "Other", ""}, {"idp_type", "ok", "Okta", ""}, {"idp_type", "k", "Keycloak", ""},
		{"idp_type", "o", "", `"o" can be Okta or OneLogin or Other`},
		{"idp_type", "0", "", "number must be from 1 to 8, not 0"},
		{"idp_type", "99999999999999999999", "", "number must be from 1 to 8, not 99999999999999999999"},
		{"idp_type", "saml", "", `IdP type must be one of Okta, Azure AD, Google, ADFS, Ping, OneLogin, Keycloak, Other, not "saml"`},
		{"sso_domain", "Acme & Söhne GmbH", "Acme & Söhne GmbH", ""},
		{"sso_domain", "a\nb", "", `the SSO domain name cannot contain '\n'`},
		{"sso_domain", "<b>", "", `the SSO domain name cannot contain '<'`},
		{"ssl_file", "/etc/ssl/my key.p12", "/etc/ssl/my key.p12", ""},
		{"ssl_file", "a\x00", "", "a file name is a single line"},
		{"key_store_password", " changeit ", " changeit ", ""},
		{"key_password", "a\nb", "", "a password is a single line of text"},
		{"instance_number", "012345678901", "", "an instance number has 12 digits and does not begin with 0"},
		{"shared_secret_key", "AAAA", "", "a secret key is 32 bytes in base64"},
	} {
		s, ok := properties.Lookup(test.key)
		if !ok {
			t.Fatal(test.key)
		}
		got, err := s.Normalize(test.answer)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != test.want || text != test.err {
			t.Errorf("%s %q: %q, %q", test.key, test.answer, got, text)
		}
	}
	if diff := cmp.Diff([]string{"Okta", "Azure AD", "Google", "ADFS", "Ping", "OneLogin", "Keycloak", "Other"}, properties.IdPTypes()); diff != "" {
		t.Error(diff)
	}
}

func TestSoundsSecret(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"password", "DB_PASSWORD", "mypasswords", "client-secret", "clientSecret", "api.token", "apikey", "API_KEY",
		"keyId", "pin", "PIN", "sso.pin", "ssoPin", "hsmPINFile", "userpin", "USERPIN", "pins", "pin1", "pincode", "pinCode", "PINCode",
		"key_store_password", "keycloak_key", "keycloakSecret"} {
		if !properties.SoundsSecret(name) || !properties.Masked(name, true) {
			t.Errorf("%q can be shown", name)
		}
	}
	for _, name := range []string{"", "ping", "mapping", "MAPPING", "shippingHost", "opinion", "pinned", "spinUp", "pineapple", "keycloak_url",
		"KEYCLOAK_URL", "keyword", "host", "idp_type"} {
		if properties.SoundsSecret(name) {
			t.Errorf("%q is always masked", name)
		}
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	for _, s := range properties.Schema() {
		if properties.Masked(s.Key, false) != s.Secret {
			t.Errorf("%s: masked is %v", s.Key, !s.Secret)
		}
	}
	if !properties.Masked("proxy_host", false) || properties.Masked("proxy_host", true) {
		t.Error("an unknown key is masked unless it is marked")
	}
}

func TestGenerators(t *testing.T) {
	t.Parallel()
	number, err := properties.NewInstanceNumber(bytes.NewReader([]byte{
		0xff, 0xff, 0xff, 0xff, 0xff, // beyond the range: drawn again
		0xd1, 0x8c, 0x2e, 0x28, 0x00, // 900,000,000,000: the first beyond it
		0xd1, 0x8c, 0x2e, 0x27, 0xff,
	}))
	if number != "999999999999" || err != nil {
		t.Error(number, err)
	}
	if number, err = properties.NewInstanceNumber(bytes.NewReader(make([]byte, 5))); number != "100000000000" || err != nil {
		t.Error(number, err)
	}
	if _, err = properties.NewInstanceNumber(bytes.NewReader(make([]byte, 4))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	random := bytes.Repeat([]byte{7}, 32)
	key, err := properties.NewSecretKey(bytes.NewReader(random))
	if key != base64.StdEncoding.EncodeToString(random) || err != nil {
		t.Error(key, err)
	}
	if _, err = properties.NewSecretKey(bytes.NewReader(random[1:])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
