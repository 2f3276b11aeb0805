package wizard_test

import (
	"strings"
)

// step is a question, named by its answers key, and what is answered.
type step struct{ key, answer string }

// script is a whole dialog.
type script []step

// first is a first configuration that seals. Keys with a dash are questions
// that a file of answers cannot answer otherwise than with Enter.
func (s *scene) first() script {
	return script{
		{"sso_domain", "acme"}, {"sso_connect_host", ""}, {"sso_ssl_port", ""}, {"private_ip", "10.0.0.7"},
		{"private_port", ""}, {"admin_port", "8081"}, {"saml_sign", "n"}, {"attribute_first_name", ""},
		{"attribute_last_name", ""}, {"attribute_email", "mail"}, {"idp_type", "az"},
		{"ssl_file", s.path("sso.p12")}, {"key_store_password", storePassword}, {"key_password", ""},
		{"saml_file", s.path("idp.xml")},
		{"sks", "y"}, {"sks_type", ""}, {"-parameters", ""}, {"sks_slot", "luna-a"}, {"sks_password", tokenPIN},
		{"chain_file", ""}, {"chain_password", ""}, {"pin_source", ""}, {"-enable", ""},
	}
}

// quick is first with a key store that takes no time to open.
func (s *scene) quick() script {
	return s.first().with("ssl_file", s.path("sso.pem")).with("key_store_password", "")
}

// clear is a first configuration without SKS.
func (s *scene) clear() script { return s.first().upTo("sks", "n") }

// enter takes every default.
func (p script) enter() script {
	q := make(script, len(p))
	for i, one := range p {
		q[i] = step{one.key, ""}
	}
	return q
}

// with gives an answer another value.
func (p script) with(key, answer string) script {
	q := append(script(nil), p...)
	for i, one := range q {
		if one.key == key {
			q[i].answer = answer
			return q
		}
	}
	panic("no question " + key)
}

// before puts answers before those that follow from key on.
func (p script) before(key string, more ...string) script {
	for i, one := range p {
		if one.key == key {
			q := append(script(nil), p[:i]...)
			for _, answer := range more {
				q = append(q, step{"-more", answer})
			}
			return append(q, p[i:]...)
		}
	}
	panic("no question " + key)
}

// upTo ends the script with the answer to key.
func (p script) upTo(key, answer string) script {
	for i, one := range p {
		if one.key == key {
			return append(append(script(nil), p[:i]...), step{key, answer})
		}
	}
	panic("no question " + key)
}

// and adds a question.
func (p script) and(key, answer string) script {
	return append(append(script(nil), p...), step{key, answer})
}

func (p script) lines() []string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.answer
	}
	return lines
}

// words gives the script as prepared answers; secrets come from variables.
func (s *scene) words(p script) map[string]string {
	words := map[string]string{}
	for _, one := range p {
		switch {
		case one.answer == "" || strings.HasPrefix(one.key, "-"):
		case strings.HasSuffix(one.key, "_password"):
			s.env[one.key] = one.answer
			words[one.key+"_source"] = "env:" + one.key
		default:
			words[one.key] = one.answer
		}
	}
	return words
}
