package pin

import (
	"strings"
	"testing"
)

func TestShownHoldsNoArguments(t *testing.T) {
	for in, want := range map[string]string{
		"file":                         "file",
		"file:/etc/a pin":              "file:/etc/a pin",
		"command:/bin/pin":             "command:/bin/pin",
		"command:/bin/echo 12345678":   "command:/bin/echo [arguments]",
		"command: /bin/echo  1234 567": "command:/bin/echo [arguments]",
	} {
		s, err := ParseSource(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Shown(); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestCutCommands(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "",
		"the PIN is locked": "the PIN is locked",
		"the secret from command:/bin/pin: start it: no such file":                   "the secret from command:/bin/pin: start it: no such file",
		"the secret from command:/bin/echo 12345678: absent":                         "the secret from command:/bin/echo [arguments]",
		"the secret from command: /bin/echo 12345678: absent":                        "the secret from command: /bin/echo [arguments]",
		"from command:/bin/echo [arguments]: absent, command:/bin/echo 87654321: no": "from command:/bin/echo [arguments]: absent, command:/bin/echo [arguments]",
		"command:":  "command:",
		"command: ": "command: ",
	} {
		if got := CutCommands(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever reads a source says of a command no more than its path.
func TestMessagesHoldNoArguments(t *testing.T) {
	const argument = "12345678"
	s := Source{Kind: KindCommand, Arg: "/no/such/command " + argument}
	if _, err := (Reader{}).Read(t.Context(), s, ""); err == nil || strings.Contains(err.Error(), argument) {
		t.Errorf("read: %v", err)
	}
	r := Refusals{Path: t.TempDir() + "/pin-refused"}
	if err := r.Record(Refusal{Token: "t", Role: "user", Source: s.String(), Identity: "i"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Check("t", "user", "i"); err == nil || strings.Contains(err.Error(), argument) {
		t.Errorf("refused before: %v", err)
	}
}
