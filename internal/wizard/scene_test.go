package wizard_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ssovault/internal/answers"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/memory"
	"ssovault/internal/vault"
	"ssovault/internal/wizard"
)

const tokenPIN = "crypto-officer-1234"

// shelf is a library with several tokens.
type shelf []*memory.Device

func (s shelf) Tokens(ctx context.Context, library string, t sks.Timeouts) (all []sks.Token, err error) {
	for _, d := range s {
		tokens, err := d.Tokens(ctx, library, t)
		if err != nil {
			return nil, err
		}
		all = append(all, tokens...)
	}
	return all, nil
}

func (s shelf) Dial(ctx context.Context, a sks.Access, pin secret.Value) (sks.Store, sks.Token, error) {
	for _, d := range s {
		if d.Token.Serial == a.Serial {
			return d.Dial(ctx, a, pin)
		}
	}
	pin.Wipe()
	return nil, sks.Token{}, fault.New(fault.Unreachable, "token %q not found", a.Label)
}

// snapshot says all that the tokens hold.
func (s shelf) snapshot(t *testing.T, instance string) string {
	t.Helper()
	var b strings.Builder
	for _, d := range s {
		keys, err := d.Store().List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		mark, err := d.Store().Recall(t.Context(), instance)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, d.Token.Label, mark)
		for _, k := range keys {
			fmt.Fprintf(&b, "%s %s %x\n", k.ID, k.Label, sha256.Sum256(d.Certificate(k.ID)))
		}
	}
	return b.String()
}

// scene is an install folder, a library with two tokens, and the files that an
// administrator has at hand.
type scene struct {
	t      *testing.T
	base   string
	files  string
	stores stores
	shelf  shelf
	env    map[string]string
	adjust func(*wizard.Wizard)
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, base: t.TempDir(), env: map[string]string{}}
	s.files, s.stores = inputs(t)
	one, two := memory.New("luna-a", "1001"), memory.New("luna-b", "1002")
	one.PIN, two.PIN, two.Token.Slot = tokenPIN, tokenPIN, 1
	s.shelf = shelf{one, two}
	return s
}

func (s *scene) path(name string) string { return filepath.Join(s.files, name) }

func (s *scene) pins() pin.Reader {
	return pin.Reader{File: filepath.Join(s.base, "sks.pin"), UID: os.Getuid(),
		LookupEnv: func(name string) (string, bool) { v, ok := s.env[name]; return v, ok }}
}

func (s *scene) wizard() *wizard.Wizard {
	w := &wizard.Wizard{
		Base: s.base, LockWait: time.Second, Dialer: s.shelf, PINs: s.pins(),
		Now: func() time.Time { return testTime }, Random: rand.Reader, Hostname: "sso.example.com",
		Vendors: []sks.Vendor{
			{Name: sks.Luna, Libraries: []string{s.path("absent.so"), s.path("library.so")}},
			{Name: sks.ProtectServer, Libraries: []string{s.path("absent.so")}},
			{Name: sks.SoftHSM, Libraries: []string{s.path("absent.so")}},
			{Name: sks.Other},
		},
	}
	if s.adjust != nil {
		s.adjust(w)
	}
	return w
}

// pipe runs the dialog on a pipe with these lines, then the end of the input.
func (s *scene) pipe(lines ...string) (result wizard.Result, transcript string, err error) {
	s.t.Helper()
	return s.pipeWith(s.t.Context(), nil, lines...)
}

// pipeWith lets a test stand between the dialog and the front.
func (s *scene) pipeWith(ctx context.Context, wrap func(wizard.Front) wizard.Front, lines ...string) (wizard.Result, string, error) {
	s.t.Helper()
	in, out, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	defer in.Close()
	for _, line := range lines {
		if _, err := fmt.Fprintln(out, line); err != nil { // it all fits the pipe
			s.t.Fatal(err)
		}
	}
	if wrap == nil {
		out.Close()
	} else {
		defer out.Close()
	}
	var transcript bytes.Buffer
	front, err := wizard.NewLines(ctx, in, &transcript)
	if err != nil {
		s.t.Fatal(err)
	}
	defer front.Close()
	var f wizard.Front = front
	if wrap != nil {
		f = wrap(front)
	}
	result, err := s.wizard().Run(ctx, f)
	return result, transcript.String(), err
}

// unattended runs the dialog with words.
func (s *scene) unattended(words map[string]string) (wizard.Result, string, error) {
	s.t.Helper()
	a, err := answers.FromWords("", words)
	if err != nil {
		s.t.Fatal(err)
	}
	var transcript bytes.Buffer
	w := s.wizard()
	w.Unattended = true
	result, err := w.Run(s.t.Context(), wizard.NewUnattended(s.t.Context(), a, s.pins(), &transcript))
	return result, transcript.String(), err
}

// must fails the test unless the dialog came to an end.
func (s *scene) must(result wizard.Result, transcript string, err error) (wizard.Result, string) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, transcript)
	}
	return result, transcript
}

// disk says everything below the install folder: names, modes, times, content.
func (s *scene) disk() string {
	s.t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(s.base, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v %v", strings.TrimPrefix(path, s.base), info.Mode(), info.ModTime())
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %x", sha256.Sum256(content))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return b.String()
}

// opened is what the folder's settings are, by file and key.
type opened struct {
	Mode             vault.Mode
	Instance, Shared map[string]string
	SKS              vault.SKS `json:"-"`
}

// open reads the folder as the service does.
func (s *scene) open() opened {
	s.t.Helper()
	f, err := vault.Open(s.t.Context(), s.base, vault.Read, time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	c, err := f.Scan(vault.BoundPresent)
	if err != nil {
		s.t.Fatal(err)
	}
	plain := c.Clear
	if c.Mode == vault.ModeSealed {
		store, _, err := f.Connect(s.t.Context(), c.SKS, vault.Device{Dialer: s.shelf, PINs: s.pins(), Now: func() time.Time { return testTime }})
		if err != nil {
			s.t.Fatal(err)
		}
		defer store.Close()
		if plain, _, err = c.Unseal(s.t.Context(), store); err != nil {
			s.t.Fatal(err)
		}
	}
	settings, err := plain.Parse()
	if err != nil {
		s.t.Fatal(err)
	}
	o := opened{Mode: c.Mode, Instance: map[string]string{}, Shared: map[string]string{}, SKS: c.SKS}
	for _, key := range settings.Instance.Keys() {
		o.Instance[key], _ = settings.Instance.Get(key)
	}
	for _, key := range settings.Shared.Keys() {
		o.Shared[key], _ = settings.Shared.Get(key)
	}
	return o
}

// answered gives the settings less what was drawn at random.
func (o opened) answered() string {
	for _, m := range []map[string]string{o.Instance, o.Shared} {
		for _, key := range []string{"instance_number", "instance_secret_key", "shared_secret_key"} {
			if m[key] != "" {
				m[key] = "drawn"
			}
		}
	}
	b, err := json.MarshalIndent(o, "", " ")
	if err != nil {
		panic(err) // maps of strings
	}
	return string(b)
}
