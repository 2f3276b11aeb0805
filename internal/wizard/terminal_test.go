package wizard_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"
	"github.com/hinshun/vt10x"
	"golang.org/x/sys/unix"

	"ssovault/internal/wizard"
)

// console is a terminal with somebody at its keyboard.
type console struct {
	t        *testing.T
	keyboard *os.File // the side of the person
	tty      *os.File // the side of the program
	emulator vt10x.Terminal
	read     chan struct{} // closed when all output was read
	asked    chan wizard.Question

	mu    sync.Mutex
	raw   bytes.Buffer
	grown *sync.Cond
}

func newConsole(t *testing.T, columns int) *console {
	t.Helper()
	c := &console{t: t, read: make(chan struct{}), asked: make(chan wizard.Question, 100)}
	c.grown = sync.NewCond(&c.mu)
	var err error
	if c.keyboard, c.tty, err = pty.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.keyboard.Close() })
	const rows = 300 // so that nothing scrolls away
	if err := pty.Setsize(c.tty, &pty.Winsize{Rows: rows, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	c.emulator = vt10x.New(vt10x.WithSize(columns, rows))
	go func() {
		defer close(c.read)
		b := make([]byte, 4096)
		for {
			n, err := c.keyboard.Read(b)
			c.mu.Lock()
			c.raw.Write(b[:n])
			_, _ = c.emulator.Write(b[:n])
			c.grown.Broadcast()
			c.mu.Unlock()
			if err != nil { // the program's side was closed
				return
			}
		}
	}()
	return c
}

// shows waits until the output ends with text.
func (c *console) shows(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !strings.HasSuffix(c.raw.String(), text) {
		select {
		case <-c.read:
			return // the dialog ended before: the test will tell
		default:
			c.grown.Wait()
		}
	}
}

func (c *console) press(keys string) {
	if _, err := io.WriteString(c.keyboard, keys); err != nil {
		c.t.Error(err)
	}
}

// screen gives what the terminal shows in the end.
func (c *console) screen() string {
	c.t.Helper()
	c.tty.Close()
	<-c.read
	return trimmed(c.emulator.String())
}

// trimmed drops the blanks at the end of lines, which no screen shows.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \r")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

// atTerminal runs the dialog on a terminal while somebody types.
func (s *scene) atTerminal(columns int, typing func(c *console)) (result wizard.Result, screen, raw string, err error) {
	s.t.Helper()
	c := newConsole(s.t, columns)
	front, err := wizard.NewTerminal(s.t.Context(), c.tty, c.tty)
	if err != nil {
		s.t.Fatal(err)
	}
	typed := make(chan struct{})
	go func() { defer close(typed); typing(c) }()
	result, err = s.wizard().Run(s.t.Context(), &announcing{Front: front, asked: c.asked})
	close(c.asked)
	front.Close()
	screen = c.screen()
	<-typed
	return result, screen, c.raw.String(), err
}

// announcing tells which question comes, before it does.
type announcing struct {
	wizard.Front
	asked chan wizard.Question
}

func (a *announcing) Ask(q wizard.Question) (string, error) {
	a.asked <- q
	return a.Front.Ask(q)
}

// breakOff pastes lines, and presses keys at the question after them. Earlier,
// Ctrl-C would be a signal.
func breakOff(lines []string, keys string) func(*console) {
	return func(c *console) {
		if len(lines) > 0 {
			paste(lines)(c)
		}
		for range lines {
			<-c.asked
		}
		q := <-c.asked
		c.shows(q.Line())
		c.press(keys)
	}
}

// paste gives all lines to the terminal at once.
func paste(lines []string) func(*console) {
	return func(c *console) { c.press(strings.Join(lines, "\r") + "\r") }
}

func TestAllFrontsGiveTheSame(t *testing.T) {
	var transcripts, settings, names []string
	note := func(name string, s *scene, transcript string) {
		replace := strings.NewReplacer(s.base, "BASE", s.files, "FILES", s.open().Instance["instance_number"], "NUMBER")
		names = append(names, name)
		transcripts = append(transcripts, trimmed(replace.Replace(transcript)))
		settings = append(settings, s.open().answered())
	}
	s := newScene(t)
	_, transcript := s.must(s.pipe(s.first().lines()...))
	note("pipe", s, transcript)

	s = newScene(t)
	_, transcript = s.must(s.unattended(s.words(s.first())))
	note("unattended", s, transcript)

	s = newScene(t)
	_, screen, raw, err := s.atTerminal(400, paste(s.first().lines()))
	s.must(wizard.Result{}, screen, err)
	note("terminal", s, screen)
	// Whoever records the session gets the transcript too: nothing is drawn twice.
	note("terminal, recorded", s, strings.ReplaceAll(raw, "\r", ""))

	s = newScene(t)
	_, screen, _, err = s.atTerminal(400, func(c *console) {
		for _, one := range s.first() {
			c.shows(": ")
			c.press(one.answer + "\n")
		}
	})
	s.must(wizard.Result{}, screen, err)
	note("terminal, line by line", s, screen)

	for i := range names {
		if transcripts[i] != transcripts[0] {
			t.Errorf("transcript of %s:\n%s\nof %s:\n%s", names[i], transcripts[i], names[0], transcripts[0])
		}
		if settings[i] != settings[0] {
			t.Errorf("settings of %s: %s\nof %s: %s", names[i], settings[i], names[0], settings[0])
		}
	}
}

// A line that is longer than the terminal is wide comes out once, not once a key.
func TestNarrowTerminal(t *testing.T) {
	s := newScene(t)
	_, screen, raw, err := s.atTerminal(80, func(c *console) {
		for _, one := range s.first() {
			c.shows(": ")
			for _, key := range one.answer {
				c.press(string(key))
			}
			c.press("\r")
		}
	})
	s.must(wizard.Result{}, screen, err)
	if n := strings.Count(raw, "Use certificates to decrypt"); n != 1 {
		t.Errorf("the long question came %d times", n)
	}
	wide := "SSL certificate file (.jks .p12 .pfx .pem): " + s.path("sso.p12")
	if len(wide) <= 80 {
		t.Fatalf("%q fits", wide)
	}
	if flat := strings.ReplaceAll(screen, "\n", ""); !strings.Contains(flat, wide) {
		t.Error(screen)
	}
	if strings.Contains(raw, tokenPIN) || strings.Contains(raw, storePassword) {
		t.Error("a password is shown")
	}
}

func TestEditingALine(t *testing.T) {
	const left, right, backspace = "\x1b[D", "\x1bOC", "\x7f"
	long := strings.Repeat("abcdefghij", 9)
	for _, tc := range []struct{ name, keys, want string }{
		{"typed", "acme", "acme"},
		{"erased", "acmee" + backspace, "acme"},
		{"erased with Ctrl-H", "acmee\b", "acme"},
		{"erased too often", "x" + strings.Repeat(backspace, 5) + "acme", "acme"},
		{"put in between", "ae" + left + "cm", "acme"},
		{"erased in between", "acxme" + left + left + backspace, "acme"},
		{"right again", "cme" + left + left + left + "a" + right + right + right + "!" + backspace + right, "acme"},
		{"ignored keys", "a\x12c\x1a\x00m\x1b[A\x1b[3~\x1bOHe\x15\x04", "acme"},
		{"pasted with marks", "\x1b[200~acme\x1b[201~", "acme"},
		{"wide", "Söhne 日本" + left + left + backspace, "Söhne日本"},
		{"over the margin", long + "x" + backspace, long},
		{"back over the margin", long + strings.Repeat(left, 80) + "ZZ", "abcdefghijZZ" + long[10:]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newConsole(t, 40)
			front, err := wizard.NewTerminal(t.Context(), c.tty, c.tty)
			if err != nil {
				t.Fatal(err)
			}
			go func() { c.shows(": "); c.press(tc.keys + "\r") }()
			got, err := front.Ask(wizard.Question{Text: "SSO Domain Name"})
			if err != nil || got != tc.want {
				t.Errorf("%q, %v", got, err)
			}
			front.Say("after")
			front.Close()
			screen := strings.ReplaceAll(c.screen(), "\n", "")
			if want := "SSO Domain Name: " + tc.want + "after"; strings.ReplaceAll(screen, "\x00", "") != want {
				t.Errorf("shown %q, want %q", screen, want)
			}
		})
	}
}

// The terminal comes back as it was, also when the dialog is broken off.
func TestTerminalIsGivenBack(t *testing.T) {
	c := newConsole(t, 80)
	before := modes(t, c.tty)
	ctx, cancel := context.WithCancel(t.Context())
	front, err := wizard.NewTerminal(ctx, c.tty, c.tty)
	if err != nil {
		t.Fatal(err)
	}
	during := modes(t, c.tty)
	if during.Cc[unix.VSUSP] != 0 || during.Lflag&unix.ECHO != 0 {
		t.Errorf("between two questions Ctrl-Z stops it, or the terminal echoes: %+v", during)
	}
	go func() {
		c.shows(": ")
		cancel()
	}()
	if _, err := front.Ask(wizard.Question{Text: "SSO Domain Name"}); !wizardInterrupted(err) {
		t.Error(err)
	}
	front.Close()
	if after := modes(t, c.tty); after != before || during == before {
		t.Errorf("before %+v, during %+v, after %+v", before, during, after)
	}
}
