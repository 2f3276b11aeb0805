package sks

import (
	"strings"
	"testing"
)

func TestCheckLabel(t *testing.T) {
	for label, ok := range map[string]bool{
		"SSO Vault Properties 123456789012": true, "é ü 鍵": true, strings.Repeat("x", 255): true,
		"": false, strings.Repeat("x", 256): false, "a\nb": false, "a\x1b[1mb": false, "\xff": false, "a\u202eb": false,
	} {
		if err := CheckLabel(label); (err == nil) != ok {
			t.Errorf("%q: %v", label, err)
		}
	}
}
