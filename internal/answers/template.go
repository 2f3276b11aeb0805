package answers

import (
	"bytes"
	"fmt"

	"ssovault/internal/properties"
)

// Template gives a commented file with all keys and their defaults, to be
// filled in. hostname is this machine's name, or "". It is ASCII.
func Template(hostname string) []byte {
	if s, _ := properties.Lookup(hostKey); hostname != "" {
		hostname, _ = s.Normalize(hostname) // "" when it is no valid name
	}
	var b bytes.Buffer
	b.WriteString(`# Answers for 'ssovault config --answers FILE', in Java's .properties format.
# An empty answer is Enter: the default, or at a later run the present answer.
# Secrets do not belong in this file. A key that ends in _source says where one
# comes from: file:PATH, credential:NAME (systemd), command:CMD ARGS, env:NAME,
# fd:N or prompt. 'ssovault config --answers FILE --check' judges the answers
# without changing anything.
`)
	for _, k := range keys {
		value := k.initial
		if k.name == hostKey {
			value = hostname
		}
		needed := ""
		if k.must {
			needed = " (needed)"
		}
		fmt.Fprintf(&b, "\n# %s%s\n%s=%s\n", k.text, needed, k.name, value)
	}
	return b.Bytes()
}
