package hsm

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
)

// field is an attribute of a URI: how it is read from its decoded value and
// written to one, "" where it is not said.
type field struct {
	name  string
	query bool
	read  func(u *URI, value string) error
	write func(u URI) string
}

// fields are those that ssovault looks at, in the order in which String writes
// them. The lengths of a token's own words are those of CK_TOKEN_INFO.
var fields = []field{
	text("token", 32, func(u *URI) *string { return &u.Token }),
	text("manufacturer", 32, func(u *URI) *string { return &u.Manufacturer }),
	text("model", 16, func(u *URI) *string { return &u.Model }),
	text("serial", 16, func(u *URI) *string { return &u.Serial }),
	{"slot-id", false, readSlot, func(u URI) string {
		if u.SlotID == nil {
			return ""
		}
		return strconv.FormatUint(uint64(*u.SlotID), 10)
	}},
	text("object", 255, func(u *URI) *string { return &u.Object }),
	{"id", false, readID, func(u URI) string { return string(u.ID) }},
	{"type", false, readType, func(u URI) string { return u.Type }},
	{"module-path", true, readModule, func(u URI) string { return u.ModulePath }},
	{"pin-source", true, readPINSource, func(u URI) string { return u.PINSource.String() }},
}

// text is a field of printable UTF-8, of up to so many bytes.
func text(name string, most int, of func(*URI) *string) field {
	return field{name, false, func(u *URI, value string) error {
		if len(value) > most {
			return fmt.Errorf("%d bytes; it has %d at most", len(value), most)
		}
		if !printable(value) {
			return fmt.Errorf("it holds what does not print")
		}
		*of(u) = value
		return nil
	}, func(u URI) string { return *of(&u) }}
}

func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

func readSlot(u *URI, value string) error {
	n, err := strconv.ParseUint(value, 10, strconv.IntSize)
	if err != nil || strconv.FormatUint(n, 10) != value {
		return fmt.Errorf("it is not a slot number")
	}
	slot := uint(n)
	u.SlotID = &slot
	return nil
}

func readID(u *URI, value string) error {
	if len(value) > 255 {
		return fmt.Errorf("%d bytes; it has 255 at most", len(value))
	}
	u.ID = []byte(value)
	return nil
}

func readType(u *URI, value string) error {
	switch value {
	case "cert", "data", "private", "public", "secret-key":
		u.Type = value
		return nil
	}
	return fmt.Errorf("it is cert, data, private, public or secret-key")
}

// absolute allows a path that means the same wherever a command is started.
func absolute(p string) error {
	if !path.IsAbs(p) || !printable(p) || path.Clean(p) != p {
		return fmt.Errorf("it is not an absolute path in its simple form")
	}
	return nil
}

func readModule(u *URI, value string) error {
	u.ModulePath = value
	return absolute(value)
}

// readPINSource maps the forms of RFC 7512 to sources: a path, or a file: URI.
// Its form "|program" is refused, and so is command:, since a URI comes from
// elsewhere and must not choose what is run.
func readPINSource(u *URI, value string) (err error) {
	if value[0] == '|' || strings.HasPrefix(value, string(pin.KindCommand)+":") {
		return fault.New(fault.Usage, "a token URI names no program to be run").
			With("give it with --pin-source command:CMD")
	}
	if value[0] == '/' {
		value = string(pin.KindFile) + ":" + value
	}
	if host, ok := strings.CutPrefix(value, "file://"); ok {
		if !strings.HasPrefix(host, "/") {
			return fmt.Errorf("a file of another host")
		}
		value = "file:" + host
	}
	if !printable(value) {
		return fmt.Errorf("it holds what does not print")
	}
	src, err := pin.ParseSource(value)
	if err != nil {
		// A word that is no source may be a PIN.
		return fmt.Errorf("it is /PATH, file:PATH, credential:NAME, env:NAME, fd:N or prompt")
	}
	if src.Kind == pin.KindFile {
		if err := absolute(src.Arg); err != nil {
			return err
		}
	}
	u.PINSource = src
	return nil
}
