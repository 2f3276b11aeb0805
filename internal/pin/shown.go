package pin

import "strings"

// argumentsMark stands where a command's arguments were.
const argumentsMark = " [arguments]"

// Shown gives the source for a message, a log or a bundle: of a command only its
// path, since its arguments may be the PIN itself.
func (s Source) Shown() string {
	if s.Kind != KindCommand {
		return s.String()
	}
	argv := strings.Fields(s.Arg)
	if len(argv) < 2 {
		return s.String()
	}
	return string(s.Kind) + ":" + argv[0] + argumentsMark
}

// shown is Shown for a source that was recorded as text.
func shown(text string) string {
	s, err := ParseSource(text)
	if err != nil {
		return "a source that cannot be read"
	}
	return s.Shown()
}

// CutCommands takes the arguments of commands out of a text that an older
// ssovault wrote. Where they end cannot be seen, so the rest of the text goes.
func CutCommands(text string) string {
	const word = string(KindCommand) + ":"
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return text
		}
		from += i + len(word)
		rest := strings.TrimLeft(text[from:], " ")
		path, after, more := strings.Cut(rest, " ")
		end := len(text) - len(rest) + len(path)
		switch {
		case !more, strings.HasPrefix(" "+after, argumentsMark), strings.ContainsAny(path[max(0, len(path)-1):], ":,;"):
			from = end
		default:
			return text[:end] + argumentsMark
		}
	}
}
