package main

import (
	"encoding/json"
	"strings"
	"testing"

	"ssovault/internal/hsm/admin"
)

// No label can be taken for what the list itself calls a key, nor widens every
// line.
func TestNamesInTheTable(t *testing.T) {
	long := strings.Repeat("é", 48)
	for _, c := range []struct {
		key  admin.Key
		want string
	}{
		{admin.Key{Label: "plain"}, `plain`},
		{admin.Key{Class: admin.SecretKey, Empty: true}, `(unnamed, half made)`},
		{admin.Key{Class: admin.SecretKey, Type: "aes"}, `(unnamed)`},
		{admin.Key{ID: []byte{3}}, `(id 03)`},
		{admin.Key{Label: "(unnamed, half made)"}, `"(unnamed, half made)"`},
		{admin.Key{Label: "(id 03)", ID: []byte{4}}, `"(id 03)"`},
		{admin.Key{Label: "two\nlines"}, `"two\nlines"`},
		{admin.Key{Label: long}, long},
		{admin.Key{Label: long + "é"}, strings.Repeat("é", 47) + "…"},
		{admin.Key{Label: "short…"}, `"short…"`},
		{admin.Key{ID: make([]byte, 100)}, "(id " + strings.Repeat("0", 47) + "…)"},
	} {
		if got := reportOf(c.key).name(); got != c.want {
			t.Errorf("%+v is called %s, not %s", c.key, got, c.want)
		}
	}
}

// JSON has a label whole, also one that is no UTF-8.
func TestLabelsInJSON(t *testing.T) {
	for label, want := range map[string]string{"plain": "", strings.Repeat("x", 300): "", "a\xff": "61ff"} {
		text, err := json.Marshal(reportOf(admin.Key{Label: label}))
		var got map[string]any
		if err == nil {
			err = json.Unmarshal(text, &got)
		}
		hex, there := got["label_hex"]
		if err != nil || there != (want != "") || there && hex != want || !there && got["label"] != label {
			t.Errorf("%q: %v, %s", label, err, text)
		}
	}
}
