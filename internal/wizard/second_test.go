package wizard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/fault"
	"ssovault/internal/sks/memory"
	"ssovault/internal/vault"
	"ssovault/internal/wizard"
)

func newToken(label string, serial int) *memory.Device {
	d := memory.New(label, fmt.Sprint(serial))
	d.PIN, d.Token.Slot = tokenPIN, uint(serial-1000)
	return d
}

// sealed is a scene with a first configuration done.
func sealed(t *testing.T) (*scene, opened) {
	t.Helper()
	s := newScene(t)
	s.must(s.pipe(s.first().lines()...))
	return s, s.open()
}

func TestSecondRunKeeps(t *testing.T) {
	s, before := sealed(t)
	logins := s.shelf[0].Logins()
	result, transcript := s.must(s.pipe(s.first().enter().with("admin_port", "8082").lines()...))
	if n := s.shelf[0].Logins() - logins; n != 2 { // to open, to save
		t.Errorf("%d logins", n)
	}
	for _, line := range []string{
		"SSO Domain Name (acme): \n", "Admin port (8081): 8082\n", "IdP type (Azure AD): \n",
		"SSL certificate file (.jks .p12 .pfx .pem) (" + s.base + "/data/sso_keystore.jks): \n",
		"Key store password (unchanged): \n", "Private key password (none): \n",
		"IdP SAML metadata file (" + s.base + "/data/idp_metadata.xml): \n",
		"Configure Secure Key Storage (Y/n): \n", "  slot (luna-a): \n", "  password (unchanged): \n",
		"How does the service get the password at start (file): \n",
	} {
		if !strings.Contains(transcript, line) {
			t.Errorf("no %q in\n%s", line, transcript)
		}
	}
	after := s.open()
	before.Instance["admin_port"] = "8082"
	if diff := cmp.Diff(before, after, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "SKS" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
	if result.NewKey || result.Mark.Generation != 2 || after.SKS.KeyID != before.SKS.KeyID || len(s.shelf[0].Labels()) != 1 {
		t.Errorf("%+v, %v", result, s.shelf[0].Labels())
	}
}

func TestNewKey(t *testing.T) {
	for _, why := range []string{"asked for", "another token"} {
		t.Run(why, func(t *testing.T) {
			s, before := sealed(t)
			p, device := s.first().enter(), s.shelf[0]
			if why == "asked for" {
				s.adjust = func(w *wizard.Wizard) { w.NewKey = true }
			} else {
				p, device = p.with("sks_slot", "1").with("sks_password", tokenPIN), s.shelf[1]
			}
			result, transcript := s.must(s.pipe(p.lines()...))
			after := s.open()
			if !result.NewKey || result.Mark.Generation != 2 || after.SKS.KeyID == before.SKS.KeyID || after.SKS.Serial != device.Token.Serial {
				t.Errorf("%+v\n%s", result, transcript)
			}
			if after.answered() != before.answered() || !strings.Contains(transcript, "stays in the token luna-a") {
				t.Errorf("%s\n%s", after.answered(), transcript)
			}
		})
	}
}

// With another source no PIN stays behind in a file that nothing reads.
func TestSourceChanges(t *testing.T) {
	s, _ := sealed(t)
	s.env["HSM_PIN"] = tokenPIN
	s.must(s.pipe(s.first().enter().with("pin_source", "env:HSM_PIN").lines()...))
	if _, err := os.Stat(filepath.Join(s.base, "sks.pin")); err == nil || s.open().SKS.PIN.String() != "env:HSM_PIN" {
		t.Error(err, s.open().SKS.PIN)
	}
	s.must(s.pipe(s.first().enter().with("pin_source", "file").lines()...))
	if pin, err := os.ReadFile(filepath.Join(s.base, "sks.pin")); string(pin) != tokenPIN || s.open().SKS.PIN.String() != "file" {
		t.Error(err)
	}
}

func TestSealedToClearAndBack(t *testing.T) {
	s, before := sealed(t)
	s.adjust = func(w *wizard.Wizard) { w.DisableSKS = true }
	_, transcript := s.must(s.pipe(s.first().enter().upTo("saml_file", "").lines()...))
	clear := s.open()
	if clear.Mode != vault.ModeClear || strings.Contains(transcript, "Configure") || clear.Shared["shared_secret_key"] != before.Shared["shared_secret_key"] {
		t.Errorf("%+v\n%s", clear, transcript)
	}
	s.adjust = nil
	for _, renew := range []string{"n", "y"} {
		p := s.first().enter().with("sks", "y").with("sks_slot", "0").with("sks_password", tokenPIN).and("renew_secrets", renew)
		_, transcript = s.must(s.pipe(p.lines()...))
		again := s.open()
		kept := again.Shared["shared_secret_key"] == before.Shared["shared_secret_key"] &&
			again.Instance["instance_secret_key"] == before.Instance["instance_secret_key"]
		if again.Mode != vault.ModeSealed || kept != (renew == "n") || again.Instance["instance_number"] != before.Instance["instance_number"] {
			t.Errorf("renew %s: %+v", renew, again)
		}
		if !strings.Contains(transcript, "Old backups, snapshots and freed blocks") {
			t.Error(transcript)
		}
		s.adjust = func(w *wizard.Wizard) { w.DisableSKS = true }
		s.must(s.pipe(s.first().enter().upTo("saml_file", "").lines()...))
		s.adjust = nil
	}
}

func TestStartAfresh(t *testing.T) {
	s, before := sealed(t)
	foreign := filepath.Join(s.base, "data", "cache.sql")
	if err := os.WriteFile(foreign, []byte("cache"), 0o644); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(s.base, "data", "instance.encp")
	content, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-40] ^= 1
	if err := os.WriteFile(damaged, content, 0o600); err != nil {
		t.Fatal(err)
	}
	disk := s.disk()
	_, transcript, err := s.pipe("n")
	if fault.Of(err) != fault.Tampered || s.disk() != disk || !strings.Contains(transcript, "Cause (26)") {
		t.Errorf("%v\n%s", err, transcript)
	}
	if _, _, err = s.unattended(s.words(s.quick())); fault.Of(err) != fault.Tampered || s.disk() != disk {
		t.Error(err)
	}
	result, transcript := s.must(s.pipe(append([]string{"y"}, s.quick().lines()...)...))
	if result.Kept != "data.before-config-20260504-030201" || !strings.Contains(transcript, "The old files are kept in "+result.Kept) {
		t.Errorf("%+v\n%s", result, transcript)
	}
	kept, err := os.ReadFile(filepath.Join(s.base, result.Kept, "instance.encp"))
	if err != nil || string(kept) != string(content) {
		t.Error("the damaged file was not kept", err)
	}
	for _, name := range []string{"sks.properties", "shared.encp", "sso_keystore.jks", "idp_metadata.xml"} {
		if _, err := os.Stat(filepath.Join(s.base, result.Kept, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(s.base, "sks.pin"+strings.TrimPrefix(result.Kept, "data"))); err != nil {
		t.Error("the old PIN was not kept", err)
	}
	if b, err := os.ReadFile(foreign); string(b) != "cache" {
		t.Error("what is not ours was touched", err)
	}
	after := s.open()
	if after.Instance["instance_number"] == before.Instance["instance_number"] || len(s.shelf[0].Labels()) != 2 {
		t.Errorf("%+v", after.Instance)
	}
}

// A journal that cannot be finished does not keep anybody from starting afresh.
func TestStartAfreshOverABrokenJournal(t *testing.T) {
	s, _ := sealed(t)
	journal := filepath.Join(s.base, "data", ".journal")
	if err := os.WriteFile(journal, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	result, _ := s.must(s.pipe(append([]string{"y"}, s.quick().lines()...)...))
	if b, err := os.ReadFile(filepath.Join(s.base, result.Kept, ".journal")); string(b) != "{" {
		t.Error(err)
	}
	if o := s.open(); o.Mode != vault.ModeSealed {
		t.Error(o.Mode)
	}
}

// A stored PIN that was refused is remembered, and not tried again.
func TestStoredPINRefused(t *testing.T) {
	s, _ := sealed(t)
	s.shelf[0].PIN = "changed by somebody else"
	logins := s.shelf[0].Logins()
	for range 2 {
		if _, transcript, err := s.pipe(""); fault.Of(err) != fault.PINRefused {
			t.Errorf("%v\n%s", err, transcript)
		}
	}
	if n := s.shelf[0].Logins() - logins; n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestOpenToOthersIsClosed(t *testing.T) {
	s, _ := sealed(t)
	file := filepath.Join(s.base, "data", "shared.encp")
	data := filepath.Join(s.base, "data")
	for path, mode := range map[string]os.FileMode{file: 0o644, data: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	_, transcript := s.must(s.pipe(s.first().enter().lines()...))
	info, err := os.Stat(data)
	if err != nil || info.Mode().Perm() != 0o700 || !strings.Contains(transcript, file+" is open to others") {
		t.Errorf("%v, %v\n%s", info.Mode(), err, transcript)
	}
}

func TestCheckOnly(t *testing.T) {
	for _, present := range []string{"nothing", "sealed"} {
		t.Run(present, func(t *testing.T) {
			s := newScene(t)
			if present == "sealed" {
				s, _ = sealed(t)
			}
			disk, logins := s.disk(), s.shelf[0].Logins()
			s.adjust = func(w *wizard.Wizard) { w.CheckOnly = true }
			result, transcript := s.must(s.unattended(s.words(s.first())))
			if !result.Checked || s.disk() != disk || s.shelf[0].Logins() != logins {
				t.Errorf("%+v\n%s", result, transcript)
			}
			if _, _, err := s.unattended(s.words(s.first().with("sks_slot", "nowhere"))); fault.Of(err) != fault.Usage {
				t.Error(err)
			}
		})
	}
}
