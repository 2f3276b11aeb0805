package internal

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors are the packages from the ground up: each may import those below its
// own floor only. CONTRIBUTING.md draws the plan.
var floors = [][]string{
	{"fault", "secret", "durable", "owner", "format", "terminal"},
	{"properties", "keystore", "saml", "pin", "sks", "hsm"},
	{"encp", "cryptoki", "recovery"},
	{"isolate", "library", "hsm/admin", "sks/p11", "sks/helper", "sks/memory", "sks/skstest"},
	{"vault", "backup"},
	{"wizard", "doctor", "launch", "answers"},
}

// within are the imports inside one floor that the plan allows.
var within = map[string][]string{
	"durable":    {"fault"},
	"owner":      {"fault"},
	"format":     {"fault"},
	"hsm":        {"sks", "pin"}, // a token URI names a token, and the source of its PIN
	"sks/p11":    {"library"},
	"sks/helper": {"sks/p11", "isolate"},
	"hsm/admin":  {"library", "isolate"},
	"backup":     {"vault"}, // an archive is of a data folder, which knows of none
	"wizard":     {"answers"},
}

// keepers may import what nobody else may.
var keepers = map[string][]string{
	"github.com/ThalesIgnite/crypto11":           {"ssovault/internal/sks/p11"},
	"github.com/miekg/pkcs11":                    {"ssovault/internal/sks/p11", "ssovault/internal/hsm/admin", "ssovault/internal/library", "ssovault/internal/cryptoki"},
	"github.com/manifoldco/promptui":             {"ssovault/internal/wizard"},
	"github.com/rs/zerolog":                      {"ssovault/cmd/ssovault"},
	"github.com/spf13/cobra":                     {"ssovault/cmd/ssovault"},
	"github.com/klauspost/compress/zstd":         {"ssovault/internal/backup"},
	"filippo.io/age":                             {"ssovault/internal/backup", "ssovault/internal/recovery"},
	"github.com/getsops/sops/v3/shamir":          {"ssovault/internal/recovery"},
	"github.com/schollz/progressbar/v3":          {"ssovault/cmd/ssovault"},
	"github.com/boombuler/barcode/qr":            {"ssovault/internal/hsm"},
	"ssovault/internal/sks/p11":                  {"ssovault/internal/sks/helper"},
	"ssovault/internal/library":                  {"ssovault/internal/sks/p11", "ssovault/internal/hsm/admin"},
	"ssovault/internal/sks/memory":               {}, // tests only
	"ssovault/internal/sks/skstest":              {},
	"ssovault/internal/p11test":                  {},
	"ssovault/internal/isolate/isolatetest":      {},
	"github.com/pavlo-v-chernykh/keystore-go/v4": {"ssovault/internal/keystore"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImportsGoDownOnly(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "../...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	floorOf := map[string]int{}
	for i, names := range floors {
		for _, n := range names {
			floorOf["ssovault/internal/"+n] = i
		}
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, imported := range p.Imports {
			if allowed, kept := keepers[imported]; kept && !slices.Contains(allowed, p.ImportPath) {
				t.Errorf("%s imports %s, which only %v may", p.ImportPath, imported, allowed)
			}
		}
		mine, known := floorOf[p.ImportPath]
		if !known {
			if strings.HasPrefix(p.ImportPath, "ssovault/internal/") && p.ImportPath != "ssovault/internal/p11test" && p.ImportPath != "ssovault/internal/sks/skstest" && p.ImportPath != "ssovault/internal/isolate/isolatetest" {
				t.Errorf("%s has no floor: put it into the plan", p.ImportPath)
			}
			continue
		}
		seen++
		for _, imported := range p.Imports {
			theirs, ours := floorOf[imported]
			name := strings.TrimPrefix(imported, "ssovault/internal/")
			if ours && theirs >= mine && !slices.Contains(within[strings.TrimPrefix(p.ImportPath, "ssovault/internal/")], name) {
				t.Errorf("%s (floor %d) imports %s (floor %d)", p.ImportPath, mine, imported, theirs)
			}
		}
	}
	if want := len(floorOf); seen != want {
		t.Errorf("%d packages of the plan are there, %d are in it", seen, want)
	}
}
