package properties

import (
	"strings"
	"unicode"
)

// Masked tells whether the value of key is hidden in what is shown: always when
// its name sounds like a secret, else unless it is one of the schema's public
// settings or was marked public.
func Masked(key string, marked bool) bool {
	if SoundsSecret(key) {
		return true
	}
	if s, ok := Lookup(key); ok {
		return s.Secret
	}
	return !marked
}

// innocent are words that hold "key" and are everyday names of settings beside
// an identity provider.
var innocent = strings.NewReplacer("keycloak", "", "keyboard", "", "keyword", "")

// SoundsSecret tells whether the name says that the value is a secret: it holds
// password, secret, token or key anywhere, whatever the case ("apikey"), or pin
// as a word of its own. Words are what separators, digits and camel case set
// apart: "pin" is in ssoPin, HSM_PIN, pin1, userpin and pincode, but not in
// mapping, ping or shipping. In doubt a name is secret: that costs a --reveal,
// the other mistake costs a password.
func SoundsSecret(key string) bool {
	lower := innocent.Replace(strings.ToLower(key))
	for _, s := range []string{"password", "secret", "token", "key"} {
		if strings.Contains(lower, s) {
			return true
		}
	}
	for part := range strings.FieldsFuncSeq(key, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if partSaysPIN(part) {
			return true
		}
	}
	return false
}

// partSaysPIN looks at a run of letters.
func partSaysPIN(part string) bool {
	lower := strings.ToLower(part)
	if strings.HasPrefix(lower, "pincode") || strings.HasSuffix(lower, "pin") || strings.HasSuffix(lower, "pins") {
		return true
	}
	if part != strings.ToUpper(part) && strings.Contains(part, "PIN") { // hsmPINFile
		return true
	}
	for word := range camelWords(part) {
		if w := strings.ToLower(word); w == "pin" || w == "pins" {
			return true
		}
	}
	return false
}

// camelWords cuts a run of letters before every upper-case letter that follows
// a lower-case one.
func camelWords(part string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		begin, lower := 0, false
		for i, r := range part {
			if unicode.IsUpper(r) && lower {
				if !yield(part[begin:i]) {
					return
				}
				begin = i
			}
			lower = unicode.IsLower(r)
		}
		yield(part[begin:])
	}
}
