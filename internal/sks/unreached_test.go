package sks

import (
	"errors"
	"os"
	"strings"
	"testing"

	"ssovault/internal/fault"
)

func TestUnreached(t *testing.T) {
	away := fault.New(fault.Unreachable, "not found")
	const soft, luna = "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/libCryptoki2_64.so"
	hint := fault.HintFor(Unreached(away, soft, os.Geteuid()))
	if !strings.Contains(hint, "SOFTHSM2_CONF") || !strings.Contains(hint, "user ") || strings.Contains(hint, "1792") {
		t.Errorf("%q", hint)
	}
	if err := Unreached(away, soft, 0); fault.Of(err) != fault.Unreachable || !errors.Is(err, fault.Unreachable) || err.Error() != away.Error() {
		t.Errorf("%v", err)
	}
	for name, err := range map[string]error{
		"a device on a network": Unreached(away, luna, 0),
		"own advice":            Unreached(fault.New(fault.Unreachable, "x").With("own"), soft, 0),
		"another cause":         Unreached(fault.New(fault.PINRefused, "x"), soft, 0),
		"nothing":               Unreached(nil, soft, 0),
	} {
		if strings.Contains(fault.HintFor(err), "SOFTHSM2_CONF") {
			t.Errorf("%s: %s", name, fault.HintFor(err))
		}
	}
}
