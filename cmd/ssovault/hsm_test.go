package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ssovault/internal/p11test"
)

func TestHSMScript(t *testing.T) {
	k := p11test.Token(t) // for the path of the library
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/script/hsm.txtar"},
		Setup: func(e *testscript.Env) error {
			conf := filepath.Join(e.WorkDir, "softhsm2.conf")
			e.Setenv("SOFTHSM2_CONF", conf)
			e.Setenv("SOFTHSM", k.Library)
			e.Setenv("SSOVAULT_PKCS11_LIBRARY", k.Library)
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", filepath.Join(e.WorkDir, "tokens"))
			return os.WriteFile(conf, []byte(text), 0o600)
		},
	})
}
