package main

import (
	"strings"
	"testing"

	"ssovault/internal/fault"
)

func TestCtkmuWords(t *testing.T) {
	for in, want := range map[string]string{
		"hsm ctkmu c -taes -s0 -nLABEL -aEDMX -z256":          "key generate --type aes --token 0 --label LABEL --attributes EDMX --bits 256",
		"hsm ctkmu c -t aes -s 0 -n LABEL -aED --yes":         "key generate --type aes --token 0 --label LABEL --attributes ED --yes",
		"hsm ctkmu c -tdes2 -s0 -nL":                          "key generate --type des3 --bits 128 --token 0 --label L",
		"--base /x hsm ctkmu l -s1 --pin-source file:/p":      "--base /x key list --token 1 --pin-source file:/p",
		"--try-pin --base=/x hsm ctkmu l -s1":                 "--try-pin --base=/x key list --token 1",
		"hsm ctkmu t -s0 -lone":                               "hsm init --slot 0 --label one",
		"hsm ctkmu rt -s0 -lone --yes":                        "hsm init --slot 0 --label one --yes",
		"hsm ctkmu p -s0":                                     "hsm pin change --token 0",
		"hsm ctkmu m -s0 -nL -aE":                             "key set --token 0 --label L --attributes E",
		"hsm ctkmu d -s0 -nL":                                 "key delete --token 0 --label L",
		"set hsm ctkmu":                                       "set hsm ctkmu",
		"run -- hsm ctkmu l":                                  "run -- hsm ctkmu l",
		"hsm ctkmu l -x0":                                     "hsm ctkmu l -x0",
		"hsm ctkmu":                                           "hsm ctkmu",
		"key list --token 0":                                  "key list --token 0",
		"hsm ctkmu c -n-strange":                              "key generate --label -strange",
		"--pin-source hsm ctkmu c":                            "--pin-source hsm ctkmu c",
		"hsm ctkmu l --pin-source command:pass\u00a0show -s0": "key list --pin-source command:pass\u00a0show --token 0",
	} {
		if got := strings.Join(translateCtkmu(strings.Fields(strings.ReplaceAll(in, "\u00a0", "~"))), " "); strings.ReplaceAll(got, "~", "\u00a0") != want {
			t.Errorf("%s\n  gives %s\n  want  %s", in, got, want)
		}
	}
}

func TestCtkmuRefuses(t *testing.T) {
	for in, says := range map[string]string{
		"":           "needs a command",
		"x":          "the commands are",
		"l -n":       "no flag -n",
		"c -t":       "-t needs a value",
		"l word":     "takes flags only",
		"c -zmany -": "takes flags only",
	} {
		if _, err := ctkmu(strings.Fields(in)); fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", in, err)
		}
	}
}
