package vault

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ssovault/internal/pin"
	"ssovault/internal/properties"
)

// LeftOut stands where something was taken out of what somebody else will read.
const LeftOut = "[left out]"

// keyLike is what a foreign line's first word looks like that is a key's name and
// not a secret on a line of its own.
var keyLike = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`) })

// shortest is how long what was left out must be to be looked for in messages
// too: anything shorter is part of too many words.
const shortest = 4

// HarmlessSKS gives sks.properties for somebody else to read: no comments, no
// value of a key that is not ours, no argument of a command. Of a file that
// parseSKS refuses only the keys remain. scrub does the same to a text that may
// repeat what was left out.
func HarmlessSKS(b []byte) (text []byte, scrub func(string) string) {
	set, err := properties.Parse(b)
	if err != nil {
		return []byte("# " + LeftOut + ": this cannot be read\n"), func(string) string { return LeftOut }
	}
	s, parseErr := parseSKS(b)
	var pairs []string
	leave := func(old, mark string) {
		if len(old) >= shortest {
			pairs = append(pairs, old, mark)
		}
	}
	if parseErr == nil && s.PIN.Shown() != s.PIN.String() {
		leave(s.PIN.String(), s.PIN.Shown())
		for _, argument := range argumentsOf(s.PIN) {
			leave(argument, LeftOut)
		}
	}
	shown := new(properties.Set)
	var foreign bytes.Buffer
	for _, key := range set.Keys() {
		value, _ := set.Get(key)
		known := slices.Contains(knownKeys, key)
		switch {
		case known && parseErr == nil && key == keyPIN:
			value = s.PIN.Shown()
		case known && parseErr == nil:
		case known || keyLike().MatchString(key) && value != "":
			leave(value, LeftOut)
			value = LeftOut
		default:
			leave(key, LeftOut)
			leave(value, LeftOut)
			foreign.WriteString("# " + LeftOut + ": a line that is not ssovault's\n")
			continue
		}
		if err := shown.Set(key, value); err != nil {
			return []byte("# " + LeftOut + "\n"), func(string) string { return LeftOut }
		}
	}
	return append(shown.Encode(), foreign.Bytes()...), strings.NewReplacer(pairs...).Replace
}

// argumentsOf are the words behind a command's path.
func argumentsOf(s pin.Source) []string {
	argv := strings.Fields(s.Arg)
	return argv[min(1, len(argv)):]
}
