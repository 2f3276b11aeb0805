package properties

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds answers that are names: more is a pasted file.
const maxLine = 255

func port(answer string) (string, error) {
	answer = strings.TrimSpace(answer)
	n, err := strconv.ParseUint(answer, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("port must be a number from 1 to 65535, not %q", answer)
	}
	return strconv.FormatUint(n, 10), nil
}

func boolean(answer string) (string, error) {
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes", "true", "on":
		return "true", nil
	case "n", "no", "false", "off":
		return "false", nil
	}
	return "", fmt.Errorf("answer yes or no (true, false, on and off do as well), not %q", answer)
}

// host takes an address, or a name as RFC 1123 2.1 and RFC 1035 2.3.4 have it.
func host(answer string) (string, error) {
	answer = strings.TrimSpace(answer)
	if answer == "" {
		return "", errors.New("a host name or IP address is needed")
	}
	if a, err := netip.ParseAddr(answer); err == nil && a.Zone() == "" {
		return answer, nil
	}
	name := strings.TrimSuffix(answer, ".") // the root, which certificates leave out
	if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return "", fmt.Errorf("host name %q must be written in ASCII (with xn--)", answer)
	}
	if len(name) > 253 {
		return "", fmt.Errorf("host name is %d characters long; 253 are allowed", len(name))
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return "", fmt.Errorf("%q is not a valid host name or IP address", answer)
		}
	}
	// No top-level domain is a number: it is an address with a mistake.
	if isDigits(labels[len(labels)-1]) {
		return "", fmt.Errorf("%q is not a valid host name or IP address", answer)
	}
	return name, nil
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-')
	})
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// address takes an address that need not be of this machine; a link-local one
// may name its interface.
func address(answer string) (string, error) {
	answer = strings.TrimSpace(answer)
	if answer == "" {
		return "", nil
	}
	if _, err := netip.ParseAddr(answer); err != nil || strings.ContainsFunc(answer, unprintable) {
		return "", fmt.Errorf("%q is not a valid IP address", answer)
	}
	return answer, nil
}

func attribute(answer string) (string, error) {
	answer = strings.TrimSpace(answer)
	if answer == "" {
		return "", errors.New("a SAML attribute needs a name")
	}
	return line("SAML attribute name", answer)
}

// domain takes the name of an enterprise domain, which is not always one of
// DNS: "Acme & Söhne GmbH" is one. What could be a path, a URL or markup is not.
func domain(answer string) (string, error) {
	answer = strings.TrimSpace(answer)
	if answer == "" {
		return "", errors.New("the SSO domain needs a name")
	}
	for _, r := range answer {
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) && !strings.ContainsRune(" ._-&'(),+@", r) {
			return "", fmt.Errorf("the SSO domain name cannot contain %q", r)
		}
	}
	return line("SSO domain name", answer)
}

func path(answer string) (string, error) {
	if strings.TrimSpace(answer) == "" {
		return "", errors.New("a file is needed")
	}
	if strings.ContainsAny(answer, "\x00\r\n") {
		return "", errors.New("a file name is a single line")
	}
	return answer, nil
}

// password takes anything that the key stores can be given: they know no empty
// lines, and a NUL is a mistake of whatever made the source.
func password(answer string) (string, error) {
	if !utf8.ValidString(answer) || strings.ContainsAny(answer, "\x00\r\n") {
		return "", errors.New("a password is a single line of text")
	}
	return answer, nil
}

func line(what, s string) (string, error) {
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable):
		return "", fmt.Errorf("%s %q is not a single line of text", what, s)
	case utf8.RuneCountInString(s) > maxLine:
		return "", fmt.Errorf("%s is longer than %d characters", what, maxLine)
	}
	return s, nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// idpTypes is the list that the dialog numbers from 1.
var idpTypes = []string{"Okta", "Azure AD", "Google", "ADFS", "Ping", "OneLogin", "Keycloak", "Other"}

// IdPTypes gives the identity providers by name, in the order of the dialog.
func IdPTypes() []string { return slices.Clone(idpTypes) }

// idpType takes a name, a prefix that only one name has, or a number from 1.
func idpType(answer string) (string, error) {
	answer = strings.TrimSpace(answer)
	if isDigits(answer) {
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(idpTypes) {
			return idpTypes[n-1], nil
		}
		return "", fmt.Errorf("number must be from 1 to %d, not %s", len(idpTypes), answer)
	}
	var found []string
	for _, name := range idpTypes {
		if strings.EqualFold(name, answer) {
			return name, nil
		}
		if answer != "" && len(answer) < len(name) && strings.EqualFold(name[:len(answer)], answer) {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("IdP type must be one of %s, not %q", strings.Join(idpTypes, ", "), answer)
	}
	return "", fmt.Errorf("%q can be %s", answer, strings.Join(found, " or "))
}

func instanceNumber(s string) (string, error) {
	if len(s) != instanceDigits || !isDigits(s) || s[0] == '0' {
		return "", fmt.Errorf("an instance number has %d digits and does not begin with 0", instanceDigits)
	}
	return s, nil
}

func secretKey(s string) (string, error) {
	if b, err := base64.StdEncoding.DecodeString(s); err != nil || len(b) != secretKeyLen {
		return "", fmt.Errorf("a secret key is %d bytes in base64", secretKeyLen)
	}
	return s, nil
}
