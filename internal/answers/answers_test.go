package answers_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ssovault/internal/answers"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
)

func TestParse(t *testing.T) {
	a, err := answers.Parse("acme.properties", []byte("# comment\nsso_domain = Acme & \\\n   Co\r\n\r\nadmin_port:8081\nsks_password_source=env:HSM_PIN\n"+
		"key_store_password_source=env:JKS\npin_source=env:HSM_PIN\nprivate_ip=\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		key, value, where string
		given             bool
	}{
		{"sso_domain", "Acme & Co", "acme.properties line 2", true},
		{"admin_port", "8081", "acme.properties line 5", true},
		{"private_ip", "", "acme.properties line 9", true},
		{"sks_slot", "", "acme.properties", false},
	} {
		value, where, given := a.Answer(want.key)
		if value != want.value || where != want.where || given != want.given {
			t.Errorf("%s: %q, %q, %v", want.key, value, where, given)
		}
	}
	if diff := cmp.Diff([]string{"HSM_PIN", "JKS"}, a.Variables()); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedFiles(t *testing.T) {
	for _, tc := range []struct{ name, text, says string }{
		{"unknown key", "sso_domain=a\n\nsso_domian=b\n", `f line 3: "sso_domian" is no key`},
		{"bare secret", "#\nkey_store_password=hunter2\n", "f line 2: key_store_password would hold a secret"},
		{"bare PIN", "sks_password=hunter2\n", "f line 1: sks_password would hold a secret"},
		{"generated", "instance_number=123456789012\n", "is no key"},
		{"twice", "admin_port=1\nsks=y\nadmin_port=2\n", "f line 3: admin_port was answered before, at f line 1"},
		{"twice, written otherwise", "admin_port=1\nadmin\\u005fport=2\n", "f line 2: admin_port was answered before"},
		{"no source", "sks_password_source=hunter2\n", "f line 1: sks_password_source: this is no source"},
		{"no source, with a colon", "sks_password_source=hunter2:x\n", "this is no source"},
		{"no path", "sks_password_source=file\n", "file needs a path here"},
		{"no variable", "pin_source=env:\n", "env: wants the name of a variable"},
		{"neither y nor n", "renew_secrets=perhaps\n", `answer y or n, not "perhaps"`},
		{"escape", "sks=y\nsso_domain=\\u00zz\n", "line 2"},
		{"UTF-16", "\xff\xfes\x00", "UTF-16"},
		{"too large", strings.Repeat("#", answers.MaxSize+1), "larger than 1024 KiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := answers.Parse("f", []byte(tc.text))
			if fault.Of(err) != fault.Usage || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
			if err != nil && strings.Contains(err.Error()+fault.HintFor(err), "hunter2") {
				t.Errorf("the secret is repeated: %v", err)
			}
		})
	}
}

func TestFromWords(t *testing.T) {
	a, err := answers.FromWords("acme", map[string]string{"admin_port": "8081", "sks": "n"})
	if err != nil {
		t.Fatal(err)
	}
	if v, where, _ := a.Answer("sso_domain"); v != "acme" || where != "-initialize" {
		t.Errorf("%q, %q", v, where)
	}
	if v, where, _ := a.Answer("admin_port"); v != "8081" || where != "-admin_port" {
		t.Errorf("%q, %q", v, where)
	}
	if _, where, given := a.Answer("ssl_file"); given || where != "the command line" {
		t.Errorf("%q, %v", where, given)
	}
	for _, words := range []map[string]string{{"sso_domain": "b"}, {"key_password": "x"}, {"pin_source": "x"}} {
		if _, err := answers.FromWords("acme", words); fault.Of(err) != fault.Usage {
			t.Errorf("%v: %v", words, err)
		}
	}
}

// Scripts rely on the keys: the schema's, with the source of each secret in
// its place, and those of the dialog after them.
func TestKeys(t *testing.T) {
	var want []string
	for _, s := range properties.Schema() {
		switch {
		case s.Generated:
		case s.Secret:
			want = append(want, s.Key+"_source")
		default:
			want = append(want, s.Key)
		}
	}
	want = append(want, "sks", "sks_type", "sks_library", "sks_slot", "sks_password_source", "chain_file",
		"chain_password_source", "pin_source", "renew_secrets", "start_afresh")
	if diff := cmp.Diff(want, answers.Keys()); diff != "" {
		t.Error(diff)
	}
	for _, key := range want {
		if answers.Describe(key) == "" {
			t.Errorf("%s is not described", key)
		}
	}
}

// What is printed can be read, has every key once, and holds the defaults.
func TestTemplate(t *testing.T) {
	text := answers.Template("sso.example.com")
	a, err := answers.Parse("template", text)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range answers.Keys() {
		value, _, given := a.Answer(key)
		if !given {
			t.Errorf("%s is missing", key)
		}
		if s, ok := properties.Lookup(key); ok && s.Default != value && key != "sso_connect_host" {
			t.Errorf("%s: %q, the default is %q", key, value, s.Default)
		}
	}
	if v, _, _ := a.Answer("sso_connect_host"); v != "sso.example.com" {
		t.Errorf("%q", v)
	}
	if v, _, _ := a.Answer("pin_source"); v != "file" {
		t.Errorf("%q", v)
	}
	if slices.ContainsFunc(text, func(b byte) bool { return b >= 0x80 }) {
		t.Error("not ASCII")
	}
	if strings.Contains(string(answers.Template("not a name\nsks=y")), "not a name") {
		t.Error("an impossible host name is taken for a default")
	}
}
