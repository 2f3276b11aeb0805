package hsm

import (
	"strings"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
)

// URIScheme begins every token URI.
const URIScheme = "pkcs11:"

// maxURI bounds a URI, in bytes: a path of 4096 and the rest.
const maxURI = 8192

// URI names a token, and perhaps an object in it, the library that reaches it
// and the source of its PIN (RFC 7512). What is empty is not said.
type URI struct {
	Token        string // its label
	Manufacturer string
	Model        string
	Serial       string
	SlotID       *uint
	Object       string // CKA_LABEL
	ID           []byte // CKA_ID
	Type         string // cert, data, private, public or secret-key
	ModulePath   string // absolute
	PINSource    pin.Source
	Vendor       []VendorAttribute // kept, never looked at
}

// VendorAttribute is one whose name begins with "x-".
type VendorAttribute struct {
	Name, Value string
	Query       bool // it stands behind the question mark
}

// vendorPrefix marks the attributes of others. RFC 7512 lets them have any
// name; but then none could be told from a misspelt one, and a misspelt serial=
// would choose a token by its label alone.
const vendorPrefix = "x-"

// ParseURI reads a token URI. Cause Usage names the attribute that is unknown,
// given twice, of the wrong form, or refused: a PIN has no place in a URI, and
// a URI names no program to be run. Values are never repeated.
func ParseURI(s string) (URI, error) {
	var u URI
	rest, ok := strings.CutPrefix(s, URIScheme)
	switch {
	case !ok:
		return URI{}, fault.New(fault.Usage, "a token URI begins with %q", URIScheme)
	case len(s) > maxURI:
		return URI{}, fault.New(fault.Usage, "a token URI of %d bytes is longer than %d", len(s), maxURI)
	}
	inPath, inQuery, queried := strings.Cut(rest, "?")
	seen := map[string]bool{}
	each := func(part, separator string, query bool) error {
		for attribute := range strings.SplitSeq(part, separator) {
			if err := u.parse(attribute, query, seen); err != nil {
				return err
			}
		}
		return nil
	}
	if inPath != "" {
		if err := each(inPath, ";", false); err != nil {
			return URI{}, err
		}
	}
	if queried {
		if err := each(inQuery, "&", true); err != nil {
			return URI{}, err
		}
	}
	return u, nil
}

// refused are attributes of RFC 7512 that are known and not taken, with why.
var refused = map[string]string{
	"pin-value":            "a PIN does not belong into a URI, where logs, shell histories and process lists show it",
	"module-name":          "a library is named by its whole path",
	"library-manufacturer": notLooked, "library-description": notLooked, "library-version": notLooked,
	"slot-manufacturer": notLooked, "slot-description": notLooked,
}

const notLooked = "ssovault does not choose by it"

// advice is what to do instead.
var advice = map[string]string{
	"pin-value":   "use pin-source=file:PATH, or leave it out and be asked; a PIN that was written here may have been seen, so change it",
	"module-name": "use module-path=PATH",
}

func (u *URI) parse(attribute string, query bool, seen map[string]bool) error {
	name, value, ok := strings.Cut(attribute, "=")
	if why := refused[name]; why != "" {
		e := fault.New(fault.Usage, "%s is refused in a token URI: %s", name, why)
		if a := advice[name]; a != "" {
			e = e.With(a)
		}
		return e
	}
	if !attributeName(name) || !ok {
		return fault.New(fault.Usage, "a token URI consists of NAME=VALUE with ';' between them, and '&' behind the '?': attribute %d is not of that form", len(seen)+1)
	}
	if seen[name] {
		return fault.New(fault.Usage, "%s stands twice in the token URI", name)
	}
	seen[name] = true
	decoded, err := unescape(value, query)
	if err != nil {
		return fault.Wrap(fault.Usage, err, "%s of the token URI", name)
	}
	if strings.HasPrefix(name, vendorPrefix) {
		u.Vendor = append(u.Vendor, VendorAttribute{name, decoded, query})
		return nil
	}
	for _, f := range fields {
		if f.name != name {
			continue
		}
		if f.query != query {
			where := "before"
			if f.query {
				where = "behind"
			}
			return fault.New(fault.Usage, "%s stands %s the '?' of a token URI", name, where)
		}
		if decoded == "" {
			return fault.New(fault.Usage, "%s of the token URI is empty", name)
		}
		return fault.Wrap(fault.Usage, f.read(u, decoded), "%s of the token URI", name)
	}
	return fault.New(fault.Usage, "%s is no attribute of a token URI that ssovault knows", name).
		With("it knows token, serial, manufacturer, model, slot-id, object, id, type, ?module-path and pin-source; those of others begin with " + vendorPrefix)
}

// attributeName allows the characters of RFC 7512, so that what an error
// repeats is never more than a name.
func attributeName(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// String gives the URI in its one canonical form.
func (u URI) String() string {
	var inPath, inQuery []string
	add := func(name, value string, query, binary bool) {
		one := name + "=" + escape(value, query, binary)
		if query {
			inQuery = append(inQuery, one)
		} else {
			inPath = append(inPath, one)
		}
	}
	for _, f := range fields {
		if v := f.write(u); v != "" {
			add(f.name, v, f.query, f.name == "id")
		}
	}
	for _, v := range u.Vendor {
		add(v.Name, v.Value, v.Query, false)
	}
	s := URIScheme + strings.Join(inPath, ";")
	if len(inQuery) > 0 {
		s += "?" + strings.Join(inQuery, "&")
	}
	return s
}

// Matches tells whether a token is the one that the URI names, or one of them.
// Every attribute that is said must be the token's.
func (u URI) Matches(t sks.Token) bool {
	same := func(said, is string) bool { return said == "" || said == is }
	return same(u.Token, t.Label) && same(u.Serial, t.Serial) && same(u.Manufacturer, t.Manufacturer) &&
		same(u.Model, t.Model) && (u.SlotID == nil || *u.SlotID == t.Slot)
}

// NamesToken tells whether the URI says anything of the token at all; one that
// does not matches all.
func (u URI) NamesToken() bool {
	return u.Token != "" || u.Serial != "" || u.Manufacturer != "" || u.Model != "" || u.SlotID != nil
}
