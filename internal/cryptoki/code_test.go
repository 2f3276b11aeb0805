package cryptoki_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
)

func TestCodeIsFoundHoweverItWasWrapped(t *testing.T) {
	device := pkcs11.Error(0x30)
	for name, c := range map[string]struct {
		err  error
		code uint
		ok   bool
	}{
		"bare":             {device, 0x30, true},
		"wrapped":          {fmt.Errorf("open a session: %w", device), 0x30, true},
		"joined":           {errors.Join(errors.New("first"), device), 0x30, true},
		"flattened":        {fmt.Errorf("C_Decrypt: %v", device), 0x30, true},
		"vendor flattened": {fmt.Errorf("C_Login: %v", pkcs11.Error(0x8000001F)), 0x8000001F, true},
		"in a fault":       {fault.Wrap(fault.Unreachable, fmt.Errorf("C_Decrypt: %v", device), "open"), 0x30, true},
		"no code":          {errors.New("context is closed"), 0, false},
		"nil":              {nil, 0, false},
		"not a number":     {errors.New("pkcs11: 0xZZ: CKR_NONE"), 0, false},
		"no colon":         {errors.New("pkcs11: 0x30"), 0, false},
		"second is one":    {errors.New("pkcs11: 0x: pkcs11: 0x31: CKR_DEVICE_MEMORY"), 0x31, true},
	} {
		t.Run(name, func(t *testing.T) {
			code, ok := cryptoki.Code(c.err)
			if code != c.code || ok != c.ok {
				t.Errorf("Code = %#x, %v; want %#x, %v", code, ok, c.code, c.ok)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for code, want := range map[uint]string{
		0x00:       "CKR_OK",
		0x05:       "CKR_GENERAL_ERROR",
		0xA3:       "CKR_PIN_EXPIRED",
		0x200:      "CKR_FUNCTION_REJECTED",
		0x8000001F: "CKR_UNABLE_TO_CONNECT",
		0x80000076: "CKR_HSM_TAMPERED",
		0x8000FFFF: "vendor code 0x8000FFFF",
		0x7777:     "return code 0x7777",
	} {
		if got := cryptoki.Name(code); got != want {
			t.Errorf("Name(%#x) = %q, want %q", code, got, want)
		}
	}
}

func TestNamesAreTheBindings(t *testing.T) {
	for code := uint(1); code < 0x210; code++ {
		want := fmt.Sprintf("pkcs11: 0x%X: %s", code, cryptoki.Name(code))
		if got := pkcs11.Error(code).Error(); got != want && got != fmt.Sprintf("pkcs11: 0x%X: ", code) {
			t.Errorf("the binding says %q, we %q", got, want)
		}
	}
}

func TestCauses(t *testing.T) {
	type want struct {
		cause     fault.Cause
		ambiguous bool
	}
	for code, w := range map[uint]want{
		0x05:       {fault.Unclassified, true},
		0x06:       {fault.Unclassified, true},
		0x20:       {fault.Unclassified, true},
		0x40:       {fault.Unclassified, true},
		0x41:       {fault.Unclassified, true},
		0x42:       {fault.Unclassified, true},
		0x30:       {fault.Unreachable, false},
		0x31:       {fault.Unreachable, false},
		0x32:       {fault.Unreachable, false},
		0x68:       {fault.NoGCM, false},
		0x70:       {fault.NoGCM, false},
		0x71:       {fault.NoGCM, false},
		0xA0:       {fault.PINRefused, false},
		0xA3:       {fault.PINUnavailable, false},
		0xA4:       {fault.PINLocked, false},
		0xB0:       {fault.Unreachable, false},
		0xB3:       {fault.Unreachable, false},
		0xE0:       {fault.Unreachable, false},
		0xE1:       {fault.Unreachable, false},
		0x102:      {fault.PINUnavailable, false},
		0x190:      {fault.Unreachable, false},
		0x80000005: {fault.Unreachable, false},
		0x80000007: {fault.PINLocked, false},
		0x8000001F: {fault.Unreachable, false},
		0x80000020: {fault.DeviceLockedDown, false},
		0x80000024: {fault.Unreachable, false},
		0x8000002B: {fault.Unreachable, false},
		0x80000052: {fault.Unreachable, false},
		0x80000053: {fault.Unreachable, false},
		0x80000056: {fault.Unreachable, false},
		0x80000076: {fault.DeviceLockedDown, false},
		0x8000008D: {fault.DeviceLockedDown, false},
		0x150:      {fault.Unclassified, false},
	} {
		if cause, amb := cryptoki.CauseOf(code); cause != w.cause || amb != w.ambiguous {
			t.Errorf("CauseOf(%s) = %v, %v; want %v, %v", cryptoki.Name(code), cause, amb, w.cause, w.ambiguous)
		}
	}
}

func TestFaultKeepsOrGivesACause(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want fault.Cause
	}{
		"by its code":    {pkcs11.Error(0xA4), fault.PINLocked},
		"tells nothing":  {pkcs11.Error(0x05), fault.Unreachable},
		"has no code":    {errors.New("context is closed"), fault.Unreachable},
		"already caused": {fault.New(fault.KeyMissing, "no key"), fault.KeyMissing},
	} {
		if err := cryptoki.Fault(c.err, "try"); fault.Of(err) != c.want {
			t.Errorf("%s: cause %v, want %v", name, fault.Of(err), c.want)
		}
	}
	named := cryptoki.Fault(fmt.Errorf("C_Login: %v", pkcs11.Error(0x80000024)), "log in")
	if want := "log in: C_Login: pkcs11: 0x80000024: CKR_TIMEOUT"; named.Error() != want {
		t.Errorf("%q, want %q", named, want)
	}
	if cryptoki.Fault(nil, "try") != nil {
		t.Error("a fault was made of nothing")
	}
}

func FuzzCode(f *testing.F) {
	for _, s := range []string{"pkcs11: 0x30: CKR_DEVICE_ERROR", "C_Decrypt: pkcs11: 0x80000024: ", "pkcs11: 0x", "pkcs11: 0xFFFFFFFFFFFFFFFFF: x", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, ok := cryptoki.Code(errors.New(text))
		if !ok && code != 0 {
			t.Errorf("no code, but %#x", code)
		}
		if code > 0xFFFFFFFF {
			t.Errorf("%#x is wider than any return code", code)
		}
		again := fmt.Errorf("outer: %v", pkcs11.Error(code))
		if got, found := cryptoki.Code(again); !found || got != code {
			t.Errorf("%q gives %#x, %v", again, got, found)
		}
	})
}

// What stands for a cause is explained: the cause alone does not say what the
// token meant.
func TestMeanings(t *testing.T) {
	for _, begin := range []uint{0, 0x80000000} {
		for code := begin; code < begin+0x400; code++ {
			cause, _ := cryptoki.CauseOf(code)
			meaning := cryptoki.Meaning(code)
			if cause != fault.Unclassified && meaning == "" || meaning != "" && !cryptoki.Known(code) || strings.HasSuffix(meaning, ".") {
				t.Errorf("%s (%#x): %q", cryptoki.Name(code), code, meaning)
			}
		}
	}
}
