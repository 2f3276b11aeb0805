package saml

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// maxEntityID is that of SAML 2.0 Metadata 2.2.1.
const maxEntityID = 1024

// entity is an EntityDescriptor as far as it was read.
type entity struct {
	Metadata
	isIdP bool
}

// open reads the attributes of an element that counts where it stands. The
// same names elsewhere (an AttributeAuthorityDescriptor's keys, a signature's
// own certificate) are not the identity provider's.
func (r *reader) open(e xml.StartElement) error {
	switch {
	case r.found != nil:
		return nil // the rest need only be XML
	case e.Name == metadata("EntityDescriptor") && r.inside():
		return r.newEntity(e)
	case e.Name == metadata("EntitiesDescriptor") && r.inside():
		return r.validUntil(e)
	case r.entity == nil || len(r.path) < 2:
		return nil
	case r.at("SPSSODescriptor"):
		r.hasSP = true
	case r.at("IDPSSODescriptor"):
		return r.role(e)
	case r.at("IDPSSODescriptor", "SingleSignOnService"):
		return r.ssoURL(e)
	case r.at("IDPSSODescriptor", "KeyDescriptor"):
		use, err := attribute(e, "use")
		r.signs = use == "" || use == "signing" // none said: for both uses (2.4.1.1)
		return err
	case r.atCertificate():
		r.collectText = r.signs
		r.text.Reset()
	}
	return nil
}

func (r *reader) newEntity(e xml.StartElement) error {
	id, err := attribute(e, "entityID")
	if err != nil {
		return err
	}
	r.entity = &entity{Metadata: Metadata{EntityID: id}}
	return r.validUntil(e)
}

// role reads an IDPSSODescriptor; an entity may have several.
func (r *reader) role(e xml.StartElement) error {
	r.entity.isIdP = true
	if err := r.validUntil(e); err != nil {
		return err
	}
	end := r.until[len(r.until)-1]
	if now := r.entity.ValidUntil; !end.IsZero() && (now.IsZero() || end.Before(now)) {
		r.entity.ValidUntil = end
	}
	return nil
}

// close ends an element.
func (r *reader) close() error {
	name := r.path[len(r.path)-1]
	switch {
	case r.collectText && name == signature("X509Certificate"):
		r.collectText = false
		return r.certificate(r.text.String())
	case name == metadata("EntityDescriptor") && r.inside() && r.entity != nil:
		if r.entity.isIdP {
			r.found = r.entity
		}
		r.entity = nil
	}
	return nil
}

// inside tells whether only EntitiesDescriptors surround the element.
func (r *reader) inside() bool {
	return !slices.ContainsFunc(r.path[:len(r.path)-1], func(n xml.Name) bool { return n != metadata("EntitiesDescriptor") })
}

// at tells whether the element stands at this path of metadata elements below
// its EntityDescriptor.
func (r *reader) at(path ...string) bool {
	above := len(r.path) - len(path) - 1
	if above < 0 || r.path[above] != metadata("EntityDescriptor") {
		return false
	}
	for i, local := range path {
		if r.path[above+1+i] != metadata(local) {
			return false
		}
	}
	return true
}

// atCertificate tells whether the element is a ds:X509Certificate of a role's
// key.
func (r *reader) atCertificate() bool {
	n := len(r.path)
	if n < 6 || r.path[n-1] != signature("X509Certificate") || r.path[n-2] != signature("X509Data") || r.path[n-3] != signature("KeyInfo") {
		return false
	}
	role := reader{path: r.path[:n-3]}
	return role.at("IDPSSODescriptor", "KeyDescriptor")
}

func (r *reader) ssoURL(e xml.StartElement) error {
	location, err := attribute(e, "Location")
	if err != nil {
		return err
	}
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%w: the SingleSignOnService is at %q, which is not a web address", ErrIncomplete, location)
	}
	if !slices.Contains(r.entity.SSOURLs, location) {
		r.entity.SSOURLs = append(r.entity.SSOURLs, location)
	}
	return nil
}

func (r *reader) certificate(text string) error {
	text = strings.Join(strings.Fields(text), "")
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	if !slices.ContainsFunc(r.entity.SigningCertificates, c.Equal) {
		r.entity.SigningCertificates = append(r.entity.SigningCertificates, c)
	}
	return nil
}

// validUntil keeps the earliest end: of the file, the group, the entity, the role.
func (r *reader) validUntil(e xml.StartElement) error {
	text, err := attribute(e, "validUntil")
	if text == "" || err != nil {
		return err
	}
	end, err := time.Parse(time.RFC3339, text)
	if err != nil {
		// xs:dateTime allows to leave the zone out; SAML core 1.3.3 says UTC.
		end, err = time.Parse("2006-01-02T15:04:05", text)
	}
	if err != nil {
		return fmt.Errorf("%w: validUntil %q is not a time", ErrIncomplete, text)
	}
	if last := &r.until[len(r.until)-1]; last.IsZero() || end.Before(*last) {
		*last = end
	}
	return nil
}

// identity checks what was found.
func (r *reader) identity() (Metadata, error) {
	m := r.found.Metadata
	switch {
	case strings.TrimSpace(m.EntityID) == "":
		return Metadata{}, fmt.Errorf("%w: its EntityDescriptor has no entityID", ErrIncomplete)
	case len(m.EntityID) > maxEntityID:
		return Metadata{}, fmt.Errorf("%w: its entityID is longer than %d characters", ErrIncomplete, maxEntityID)
	case len(m.SSOURLs) == 0:
		return Metadata{}, fmt.Errorf("%w: its IDPSSODescriptor has no SingleSignOnService", ErrIncomplete)
	}
	return m, nil
}

// attribute gives an attribute without a namespace. One that is there twice is
// no XML; Go's decoder does not say so, and another reader may take the other.
func attribute(e xml.StartElement, local string) (string, error) {
	value, seen := "", false
	for _, a := range e.Attr {
		if a.Name != (xml.Name{Local: local}) {
			continue
		}
		if seen {
			return "", fmt.Errorf("%w: element %q has two attributes %q", ErrNotXML, e.Name.Local, local)
		}
		value, seen = a.Value, true
	}
	return value, nil
}
