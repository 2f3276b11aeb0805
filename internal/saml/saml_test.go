package saml_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/saml"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProviders(t *testing.T) {
	t.Parallel()
	const tenant = "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/saml2"
	for _, test := range []struct {
		file, entity string
		urls         []string
		signers      []string
		until        time.Time
	}{
		{"okta.xml", "http://www.okta.com/exk0000000000example",
			[]string{"https://example.okta.com/app/vault/exk0000000000example/sso/saml"}, []string{"Example IdP signing 1"}, time.Time{}},
		{"azure.xml", "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
			[]string{tenant}, []string{"Example IdP signing 1", "Example IdP signing 2"}, time.Time{}},
		{"adfs.xml", "http://adfs.example.com/adfs/services/trust",
			[]string{"https://adfs.example.com/adfs/ls/"}, []string{"Example IdP signing 1"}, time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"keycloak.xml", "https://id.example.com/realms/staff",
			[]string{"https://id.example.com/realms/staff/protocol/saml", "https://id.example.com/realms/staff/protocol/saml/soap"},
			[]string{"Example IdP signing 1"}, time.Date(2032, 5, 1, 10, 0, 0, 500_000_000, time.UTC)},
	} {
		t.Run(test.file, func(t *testing.T) {
			m, err := saml.Parse(read(t, test.file))
			if err != nil {
				t.Fatal(err)
			}
			var signers []string
			for _, c := range m.SigningCertificates {
				signers = append(signers, c.Subject.CommonName)
			}
			if m.EntityID != test.entity || !m.ValidUntil.Equal(test.until) {
				t.Errorf("entity %q until %v", m.EntityID, m.ValidUntil)
			}
			if diff := cmp.Diff(test.urls, m.SSOURLs); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.signers, signers); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const (
	head = `<EntityDescriptor entityID="https://idp.example.com/" xmlns="urn:oasis:names:tc:SAML:2.0:metadata">`
	sso  = `<SingleSignOnService Location="https://idp.example.com/sso"/>`
	tail = `</EntityDescriptor>`
)

func idp(inside string) string {
	return head + "<IDPSSODescriptor>" + inside + "</IDPSSODescriptor>" + tail
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		idp(sso),
		`<?xml version="1.0" encoding="ISO-8859-1"?>` + idp(sso),
		`<?xml version="1.0" encoding="UTF-8"?><!-- é -->` + "\n" + idp(sso) + "<!-- end -->\n",
		idp("<Extensions>" + strings.Repeat("<x>", 97) + strings.Repeat("</x>", 97) + "</Extensions>" + sso),
	} {
		m, err := saml.Parse([]byte(file))
		if err != nil || m.EntityID != "https://idp.example.com/" || len(m.SSOURLs) != 1 {
			t.Errorf("%.200s: %+v, %v", file, m, err)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	key := func(certificate string) string {
		return sso + `<KeyDescriptor><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
			certificate + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>`
	}
	for _, test := range []struct {
		name, file string
		want       error
	}{
		{"empty", "", saml.ErrEmpty},
		{"white space", "\uFEFF \n", saml.ErrEmpty},
		{"too large", strings.Repeat(" ", saml.MaxSize+1), saml.ErrTooLarge},
		{"JSON", `{"entityID": "x"}`, saml.ErrNotXML},
		{"PEM", "-----BEGIN CERTIFICATE-----", saml.ErrNotXML},
		{"only a comment", "<!-- nothing -->", saml.ErrNotXML},
		{"unclosed tag", "<a b=>", saml.ErrNotXML},
		{"two roots", idp(sso) + idp(sso), saml.ErrNotXML},
		{"text after", idp(sso) + "x", saml.ErrNotXML},
		{"two entity ids", strings.Replace(idp(sso), " xmlns", ` entityID="b" xmlns`, 1), saml.ErrNotXML},
		{"unknown entity", strings.Replace(idp(sso), "https", "&x;", 1), saml.ErrNotXML},
		{"HTML 5", "<!DOCTYPE html>\n<html><head><title>Sign in</title><br>", saml.ErrHTML},
		{"HTML 4", "<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>", saml.ErrHTML},
		{"HTML without a type", "\n<HTML><body>", saml.ErrHTML},
		{"XHTML", `<html xmlns="http://www.w3.org/1999/xhtml">`, saml.ErrHTML},
		{"UTF-16", "\xff\xfe<\x00?\x00", saml.ErrEncoding},
		{"UTF-16 without a mark", "\x00<\x00?", saml.ErrEncoding},
		{"Latin-1", `<?xml version="1.0" encoding="ISO-8859-1"?><!-- ` + "\xe9 -->" + idp(sso), saml.ErrEncoding},
		{"says Latin-1, is UTF-8", `<?xml version="1.0" encoding="ISO-8859-1"?><!-- é -->` + idp(sso), saml.ErrEncoding},
		{"says UTF-16", `<?xml version="1.0" encoding="UTF-16"?>` + idp(sso), saml.ErrEncoding},
		{"entity bomb", `<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]>` + idp(sso), saml.ErrDTD},
		{"directive inside", head + `<!ENTITY b "b">` + tail, saml.ErrDTD},
		{"too deep", idp("<Extensions>" + strings.Repeat("<x>", 98) + strings.Repeat("</x>", 98) + "</Extensions>" + sso), saml.ErrTooDeep},
		{"endlessly deep", strings.Replace(head, "EntityDescriptor", "EntitiesDescriptor", 1) + strings.Repeat("<x>", 5_000_000), saml.ErrTooDeep},
		{"other XML", "<project/>", saml.ErrNotMetadata},
		{"no namespace", "<EntityDescriptor><IDPSSODescriptor/></EntityDescriptor>", saml.ErrNotMetadata},
		{"a response", `<Response xmlns="urn:oasis:names:tc:SAML:2.0:protocol"/>`, saml.ErrNotMetadata},
		{"service provider", head + "<SPSSODescriptor/>" + tail, saml.ErrServiceProvider},
		{"nothing", head + tail, saml.ErrNoIdentity},
		{"an identity provider elsewhere", head + "<Extensions><IDPSSODescriptor>" + sso + "</IDPSSODescriptor></Extensions>" + tail, saml.ErrNoIdentity},
		{"no entity id", strings.Replace(idp(sso), "https://idp.example.com/\" ", " \" ", 1), saml.ErrIncomplete},
		{"long entity id", strings.Replace(idp(sso), "https", strings.Repeat("x", 1025), 1), saml.ErrIncomplete},
		{"no sign-on service", idp(""), saml.ErrIncomplete},
		{"sign-on service elsewhere", head + "<IDPSSODescriptor/><Extensions>" + sso + "</Extensions>" + tail, saml.ErrIncomplete},
		{"script as address", idp(strings.Replace(sso, "https:", "javascript:", 1)), saml.ErrIncomplete},
		{"no address", idp("<SingleSignOnService/>"), saml.ErrIncomplete},
		{"bad time", strings.Replace(idp(sso), " xmlns", ` validUntil="tomorrow" xmlns`, 1), saml.ErrIncomplete},
		{"certificate not base64", idp(key("?")), saml.ErrCertificate},
		{"certificate not DER", idp(key("AAAA")), saml.ErrCertificate},
	} {
		t.Run(test.name, func(t *testing.T) {
			if m, err := saml.Parse([]byte(test.file)); !errors.Is(err, test.want) {
				t.Errorf("%+v, %v, not %v", m, err, test.want)
			}
		})
	}
}

// TestCutOff cuts a file after every byte: none of the pieces is taken for
// the whole.
func TestCutOff(t *testing.T) {
	t.Parallel()
	file := bytes.TrimRight(read(t, "keycloak.xml"), "\n")
	root := bytes.Index(file, []byte("<EntitiesDescriptor"))
	for n := range file {
		_, err := saml.Parse(file[:n])
		if err == nil {
			t.Fatalf("%d of %d bytes are accepted", n, len(file))
		}
		if n > root && !errors.Is(err, saml.ErrTruncated) {
			t.Fatalf("cut after %q: %v", file[max(0, n-40):n], err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"okta.xml", "azure.xml", "adfs.xml", "keycloak.xml"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := saml.Parse(b)
		if err == nil && (m.EntityID == "" || len(m.SSOURLs) == 0) {
			t.Errorf("accepted without entity or address: %+v", m)
		}
		if err != nil && m.EntityID != "" {
			t.Error("metadata beside an error")
		}
	})
}
