package answers_test

import (
	"testing"

	"ssovault/internal/answers"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
)

// What is accepted has exactly the keys and values that java.util.Properties
// would find, and every refusal is one of usage.
func FuzzParse(f *testing.F) {
	f.Add([]byte("sso_domain=a\nadmin_port=1\\\n2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := answers.Parse("f", b)
		if err != nil {
			if fault.Of(err) != fault.Usage {
				t.Fatalf("%v", err)
			}
			return
		}
		set, err := properties.Parse(b)
		if err != nil {
			t.Fatalf("accepted, but: %v", err)
		}
		for _, key := range set.Keys() {
			if _, _, given := a.Answer(key); !given {
				t.Errorf("%q is lost", key)
			}
		}
	})
}
