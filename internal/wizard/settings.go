package wizard

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/vault"
)

// Words that stand for an empty answer: they are shown as defaults, and are
// how somebody takes back an answer of an earlier run.
const (
	blank     = "blank"
	none      = "none"
	unchanged = "unchanged"
)

// askSettings puts the questions of the schema, in its order.
func (d *dialog) askSettings() error {
	d.settings = vault.Settings{
		Instance: d.was.settings.Instance.Clone(), Shared: d.was.settings.Shared.Clone(), Bound: d.was.settings.Bound,
	}
	for _, s := range properties.Schema() {
		var err error
		switch {
		case s.Generated, s.Secret:
			// Generated ones are made by the save; the passwords are asked
			// with the key store that they open.
		case s.Copied == properties.KeyStore:
			err = d.askKeyStore(s)
		case s.Copied == properties.Metadata:
			err = d.askMetadata(s)
		default:
			err = d.askSetting(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// askSetting asks for a setting whose answer is its value.
func (d *dialog) askSetting(s properties.Setting) error {
	value := d.defaultOf(s)
	q := Question{Key: s.Key, Text: s.Question, Default: printable(value)}
	if value == "" && s.Optional {
		q.Default = blank
	}
	return d.ask(q, func(answer string) error {
		switch {
		case answer == "":
			answer = value
		case s.Optional && answer == blank:
			answer = ""
		}
		kept, err := s.Normalize(answer)
		if err != nil {
			return err
		}
		return set(d.settings, s.File).Set(s.Key, kept)
	})
}

// defaultOf is the present answer, else the schema's default, else what only
// this machine or another answer can tell.
func (d *dialog) defaultOf(s properties.Setting) string {
	if v, ok := set(d.was.settings, s.File).Get(s.Key); ok {
		return v
	}
	if s.DefaultFrom != "" {
		from, _ := properties.Lookup(s.DefaultFrom)
		v, _ := set(d.settings, from.File).Get(from.Key)
		return v
	}
	if s.Key == "sso_connect_host" {
		if name, err := s.Normalize(d.Hostname); err == nil {
			return name
		}
	}
	return s.Default
}

// keep stores a secret setting, or that there is none.
func (d *dialog) keep(key string, v secret.Value) error {
	s, _ := properties.Lookup(key)
	if v.Len() == 0 {
		set(d.settings, s.File).Unset(key)
		return nil
	}
	return set(d.settings, s.File).Set(key, string(v.Bytes()))
}

// boundDefault is where the file of an earlier run lies; one of ours is named
// with its whole path, since a relative one would be looked for elsewhere.
func (d *dialog) boundDefault(s properties.Setting, ours ...string) string {
	name, ok := set(d.was.settings, s.File).Get(s.Key)
	if !ok {
		return ""
	}
	for _, known := range ours {
		if name == known {
			return d.layout().Data(name)
		}
	}
	return name
}

// readInput reads a file that an administrator named. Links are followed, as
// certificate tools keep the current file behind one; what they lead to must
// be a regular file.
func readInput(path string, limit int64) ([]byte, error) {
	path = strings.TrimSpace(path)
	if path == "" {
		return nil, errors.New("a file is needed")
	}
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		var b []byte
		if b, err = durable.Read(real, limit); err == nil {
			return b, nil
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.Usage, "there is no file %s", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.New(fault.Usage, "%s may not be read by this user", path)
	}
	return nil, fault.Wrap(fault.Usage, err, "%s", path)
}
