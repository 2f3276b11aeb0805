package wizard_test

import (
	"strings"
	"testing"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// Every answer that cannot be taken has its sentence, and the question comes
// again; for prepared answers it is the end, and names the key.
func TestRefusedAnswers(t *testing.T) {
	for _, tc := range []struct{ key, answer, says string }{
		{"sso_domain", "", "the SSO domain needs a name"},
		{"sso_connect_host", "a b", `"a b" is not a valid host name`},
		{"sso_ssl_port", "70000", `port must be a number from 1 to 65535, not "70000"`},
		{"private_ip", "10.0.0", `"10.0.0" is not a valid IP address`},
		{"saml_sign", "perhaps", "answer yes or no"},
		{"idp_type", "O", `"O" can be Okta or OneLogin or Other`},
		{"idp_type", "9", "number must be from 1 to 8, not 9"},
		{"ssl_file", "", "a file is needed"},
		{"ssl_file", "/nowhere/x.jks", "there is no file /nowhere/x.jks"},
		{"ssl_file", "/", "not a regular file"},
		{"ssl_file", "FILES/text", "the file is not a key store"},
		{"key_store_password", "wrong", "the password is wrong, or the file is damaged"},
		{"key_password", "another", "a PKCS#12 has one password"},
		{"saml_file", "FILES/text", "the file is not XML"},
		{"sks", "perhaps", `answer y or n, not "perhaps"`},
		{"sks_type", "Paper", `"Paper" is none of 1 Gemalto SafeNet Luna HSM, 2 SafeNet ProtectServer, 3 SoftHSM, 4 Other PKCS#11`},
		{"sks_type", "S", `"S" can be several of`},
		{"-parameters", "0,1234", "press Enter: slot and password are asked for next"},
		{"sks_slot", "", "a slot number, a label or a serial number is needed; the library sees luna-a"},
		{"sks_slot", "luna-c", `no slot number, label or serial number is "luna-c"; the library sees luna-a (serial 1001, slot 0), luna-b`},
		{"sks_slot", "twin", `"twin" means several tokens: twin (serial 1003, slot 3), twin (serial 1004, slot 4); name one by its serial number`},
		{"sks_slot", "7", "the token in slot 7 is not initialised"},
		{"sks_slot", "no-pin", "the token no-pin (serial 1005, slot 5) has no user PIN yet"},
		{"sks_password", "", "a password is needed"},
		{"chain_file", "FILES/text", "the file is not a key store"},
		{"pin_source", "paper", `this is no source`},
		{"pin_source", "file:pin.txt", "give an absolute path"},
		{"pin_source", "env:WRONG_PIN", "env:WRONG_PIN gives another password than the one that was given here"},
		{"-enable", "maybe", `answer y or n, not "maybe"`},
	} {
		t.Run(tc.key+" "+tc.answer, func(t *testing.T) {
			s := newScene(t)
			s.env["WRONG_PIN"] = "4321"
			for i, label := range []string{"twin", "twin", "no-pin", "", ""} {
				d := *newToken(label, 1003+i)
				d.Token.UserPINSet, d.Token.Initialised = label != "no-pin", label != ""
				s.shelf = append(s.shelf, &d)
			}
			answer := strings.ReplaceAll(tc.answer, "FILES", s.files)
			result, transcript := s.must(s.pipe(s.quickUnless(tc.key).before(tc.key, answer).lines()...))
			if !strings.Contains(transcript, tc.says) || result.Mark.Generation != 1 {
				t.Errorf("no %q in\n%s", tc.says, transcript)
			}
			if strings.HasPrefix(tc.key, "-") || tc.key == "sks" || answer == "paper" {
				return // package answers refuses it before
			}
			s.base = t.TempDir()
			disk := s.disk()
			words := s.words(s.quickUnless(tc.key).with(tc.key, answer))
			_, transcript, err := s.unattended(words)
			name := tc.key
			if strings.HasSuffix(name, "_password") {
				name += "_source"
			}
			if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v\n%s", err, transcript)
			}
			if s.disk() != disk {
				t.Error("the disk changed")
			}
		})
	}
}

// quickUnless is quick, but for the questions about a password of the store.
func (s *scene) quickUnless(key string) script {
	if key == "key_store_password" || key == "key_password" {
		return s.first()
	}
	return s.quick()
}

// What is wrong with the file itself leads back to the question for the file.
func TestKeyStoreOfNoUse(t *testing.T) {
	s := newScene(t)
	p := s.quick().before("ssl_file", s.path("root.pem"), "", "")
	_, transcript := s.must(s.pipe(p.lines()...))
	if !strings.Contains(transcript, "the key store has no private key\nSSL certificate file") {
		t.Error(transcript)
	}
}

func TestWarnings(t *testing.T) {
	s := newScene(t)
	s.shelf[0].CannotRemember = true
	s.shelf[0].Token.Tries = sks.TriesFinal
	s.shelf[0].Token.Label = "luna\x1b[2Ja"
	p := s.quick().with("ssl_file", s.path("expired.pem")).with("saml_file", s.path("old.xml")).with("sks_slot", "0").
		with("pin_source", "file:"+s.path("not-yet"))
	_, transcript := s.must(s.pipe(p.lines()...))
	for _, says := range []string{
		"Warning: a certificate of this chain expired on 2026-05-03.",
		"Warning: this metadata was valid until 2020-01-01.",
		"Careful: the token says that one more refused PIN locks it.",
		"there is no file " + s.path("not-yet") + ". The service needs it at its start.",
		"With this source a stolen disk holds the PIN too",
		"This token cannot remember the generation",
		"luna\uFFFD[2Ja",
	} {
		if !strings.Contains(transcript, says) {
			t.Errorf("no %q in\n%s", says, transcript)
		}
	}
	if strings.Contains(transcript, "\x1b") {
		t.Error("an escape code of a label reached the terminal")
	}
}

// The password is tried once for each time that somebody gives one.
func TestRefusedPassword(t *testing.T) {
	s := newScene(t)
	s.shelf[0].Token.Tries = sks.TriesLow
	result, transcript := s.must(s.pipe(s.quick().before("sks_password", "wrong", "y").lines()...))
	want := "  password: \n  The token refused the password; the token says that a PIN was refused since the last login.\nTry another password (y/N): y\n  password: \n"
	if !strings.Contains(transcript, want) || result.Mark.Generation != 1 {
		t.Error(transcript)
	}
	if n := s.shelf[0].Logins(); n != 3 { // refused, tried, save
		t.Errorf("%d logins", n)
	}
	for _, way := range []string{"person", "prepared"} {
		t.Run(way, func(t *testing.T) {
			s := newScene(t)
			disk := s.disk()
			var err error
			if way == "person" {
				_, transcript, err = s.pipe(s.quick().before("sks_password", "wrong", "").lines()...)
			} else {
				_, transcript, err = s.unattended(s.words(s.quick().with("sks_password", "wrong")))
			}
			if fault.Of(err) != fault.PINRefused || s.shelf[0].Logins() != 1 || way == "person" && s.disk() != disk {
				t.Errorf("%v, %d logins\n%s", err, s.shelf[0].Logins(), transcript)
			}
			if way == "person" {
				return
			}
			// Nobody decides about another try: what is run again and again by
			// a machine spends no second one.
			for range 5 {
				if _, _, err = s.unattended(s.words(s.quick().with("sks_password", "wrong"))); fault.Of(err) != fault.PINRefused {
					t.Error(err)
				}
			}
			if n := s.shelf[0].Logins(); n != 1 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// What the device cannot do ends the dialog before a password is spent.
func TestDeviceOfNoUse(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(*scene)
		want fault.Cause
	}{
		"no GCM": {func(s *scene) { s.shelf[0].Token.GCM = false }, fault.NoGCM},
		"locked": {func(s *scene) { s.shelf[0].Token.Tries = sks.TriesLocked }, fault.PINLocked},
		"away":   {func(s *scene) { s.shelf[0].Away = true }, fault.Unreachable},
		// Found out by the save: the key that was made for nothing goes again.
		"GCM does not work": {func(s *scene) { s.shelf[0].NoGCM = true }, fault.NoGCM},
		"unsafe keys":       {func(s *scene) { s.shelf[0].Unsafe = []string{"extractable"} }, fault.NotPermitted},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			tc.make(s)
			_, transcript, err := s.pipe(s.quick().lines()...)
			if fault.Of(err) != tc.want || len(s.shelf[0].Labels()) != 0 {
				t.Errorf("%v\n%s", err, transcript)
			}
			if strings.Contains(s.disk(), "sks.pin") || strings.Contains(s.disk(), ".encp") {
				t.Error(s.disk())
			}
		})
	}
}

// An unattended login that the token's flags advise against is none that was
// refused: what helps is to allow one try, not another password.
func TestLoginNotTried(t *testing.T) {
	s := newScene(t)
	s.shelf[0].Token.Tries = sks.TriesLow
	_, transcript, err := s.unattended(s.words(s.quick()))
	if fault.Of(err) != fault.PINRefused || strings.Contains(fault.HintFor(err), "right password") || strings.Contains(transcript, "refused the password") || s.shelf[0].Logins() != 0 {
		t.Errorf("%v, hint %s, %d logins\n%s", err, fault.HintFor(err), s.shelf[0].Logins(), transcript)
	}
	s.shelf[0].PIN, s.shelf[0].Token.Tries = "another", sks.TriesUnknown
	_, transcript, err = s.unattended(s.words(s.quick()))
	if fault.Of(err) != fault.PINRefused || !strings.Contains(fault.HintFor(err), "right password") || !strings.Contains(transcript, "refused the password") {
		t.Errorf("%v, hint %s\n%s", err, fault.HintFor(err), transcript)
	}
}

// An HSM that is away comes back: to begin anew is not what its hint begins with.
func TestAwayIsNotAfresh(t *testing.T) {
	s, _ := sealed(t)
	for _, d := range s.shelf {
		d.Away = true
	}
	_, _, err := s.unattended(s.words(s.first()))
	hint := fault.HintFor(err)
	if fault.Of(err) != fault.Unreachable || !strings.Contains(hint, "then run this again. Only for an HSM that is gone for good") || strings.Contains(hint, "or begin anew") {
		t.Errorf("%v: %s", err, hint)
	}
}
