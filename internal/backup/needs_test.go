package backup

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// sealedArchive is a backup that needs a key.
func sealedArchive(t *testing.T, id sks.KeyID) []byte {
	t.Helper()
	d := wholesome()
	d.manifest.Mode, d.manifest.Generation, d.manifest.SaveID = vault.ModeSealed, 3, strings.Repeat("ab", 16)
	d.manifest.Key = &Key{Label: "x", ID: id, TokenLabel: "t", TokenSerial: "1"}
	return d.bytes(t)
}

func encrypted(b []byte, to age.Recipient) []byte {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err)
	}
	return out.Bytes()
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

const (
	storedName = "ssovault-123456789012-g3-20261122-000000.tar.zst"
	otherName  = "ssovault-999999999999-g3-20261122-000000.tar.zst"
)

// Which keys known backups need, one way after the other in which that can be
// told or not.
func TestNeeds(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	one, two := sks.NewKeyID(), sks.NewKeyID()
	plain := sealedArchive(t, one)
	locked := encrypted(plain, identity.Recipient())
	damaged := slices.Clone(plain)
	damaged[len(damaged)/2] ^= 1
	damaged = damaged[:30]

	type scene struct {
		vault.Layout
		away string
	}
	in := func(name string, b []byte) func(*testing.T, scene) {
		return func(t *testing.T, s scene) { put(t, filepath.Join(Folder(s.Layout), name), b) }
	}
	away := func(b []byte, keys ...sks.KeyID) func(*testing.T, scene) {
		return func(t *testing.T, s scene) {
			for _, id := range keys {
				if _, err := enter(s.Layout, s.away, needing(id)); err != nil {
					t.Fatal(err)
				}
			}
			if b != nil {
				put(t, s.away, b)
			}
		}
	}
	registeredHere := func(id sks.KeyID) func(*testing.T, scene) {
		return func(t *testing.T, s scene) {
			if _, err := enter(s.Layout, filepath.Join(Folder(s.Layout), storedName), needing(id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, scene)
		open    bool // with the identity
		ignore  bool
		want    string // the keys: 1, 2, ? for any
		why     string
	}{
		{name: "nothing", prepare: func(*testing.T, scene) {}},
		{name: "one in BASE/backups", prepare: in(storedName, plain), want: "1"},
		{name: "under any name there", prepare: in("before-the-move.tar.zst", plain), want: "1"},
		{name: "in the clear", prepare: in(storedName, wholesome().bytes(t))},
		{name: "encrypted", prepare: in(storedName+".age", locked), want: "?", why: "encrypted"},
		{name: "encrypted, and it opens", prepare: in(storedName+".age", locked), open: true, want: "1"},
		{name: "another instance's, encrypted", prepare: in(otherName+".age", locked)},
		{name: "another instance's, that needs our key", prepare: in(otherName, plain), want: "1"},
		{name: "encrypted, and registered", prepare: func(t *testing.T, s scene) {
			in(storedName+".age", locked)(t, s)
			if _, err := enter(s.Layout, filepath.Join(Folder(s.Layout), storedName+".age"), needing(one)); err != nil {
				t.Fatal(err)
			}
		}, want: "1"},
		{name: "damaged", prepare: in(storedName, damaged), want: "?", why: "cannot be looked into"},
		{name: "empty", prepare: in(storedName, nil), want: "?", why: "cannot be looked into"},
		{name: "none that ssovault knows", prepare: in("notes.txt", []byte("hello")), want: "?", why: "does not know what it is"},
		{name: "packed by somebody", prepare: in("data.tgz", []byte{0x1f, 0x8b, 8}), want: "?", why: "data.tgz"},
		{name: "a hidden one", prepare: in(".kept.tar.zst", plain), want: "1"},
		{name: "a folder", prepare: func(t *testing.T, s scene) {
			old := filepath.Join(Folder(s.Layout), "old")
			if err := os.Mkdir(old, 0o700); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(old, storedName), plain)
		}, want: "?", why: "a folder may hold backups"},
		{name: "an empty folder", prepare: func(t *testing.T, s scene) {
			if err := os.Mkdir(filepath.Join(Folder(s.Layout), "lost+found"), 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "a link", prepare: func(t *testing.T, s scene) {
			put(t, s.away, plain)
			link(t, s.away, filepath.Join(Folder(s.Layout), "link.tar.zst"))
		}, want: "?", why: "link.tar.zst"},
		{name: "a link to nothing", prepare: func(t *testing.T, s scene) {
			link(t, s.away, filepath.Join(Folder(s.Layout), storedName))
		}, want: "?", why: storedName},
		{name: "BASE/backups leads to nothing", prepare: func(t *testing.T, s scene) {
			if _, err := enter(s.Layout, filepath.Join(Folder(s.Layout), storedName), needing(two)); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(Folder(s.Layout)); err != nil {
				t.Fatal(err)
			}
			link(t, s.away, Folder(s.Layout))
		}, want: "2?", why: "leads to where nothing is"},
		{name: "there is no BASE/backups", prepare: func(t *testing.T, s scene) {
			if err := os.Remove(Folder(s.Layout)); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "moved away from BASE/backups", prepare: registeredHere(one), want: "1", why: "not there any more"},
		{name: "gone for good from BASE/backups", prepare: registeredHere(one), ignore: true},
		{name: "elsewhere", prepare: away(plain, one), want: "1"},
		{name: "elsewhere, encrypted", prepare: away(locked, two), want: "2"},
		{name: "elsewhere, damaged", prepare: away(damaged, two), want: "2"},
		{name: "elsewhere, gone", prepare: away(nil, two), want: "2", why: "not there any more"},
		{name: "elsewhere, gone for good", prepare: away(nil, two), ignore: true},
		{name: "another one in its place", prepare: away(plain, one, two), want: "12", why: "another backup lies there"},
		{name: "another one in its place, which is known", prepare: away(plain, one, two), ignore: true, want: "1"},
		{name: "encrypted, one of two", prepare: away(locked, one, two), want: "12"},
		{name: "encrypted, one of two, and it opens", prepare: away(locked, one, two), open: true, want: "12", why: "another backup"},
		{name: "being written", prepare: func(t *testing.T, s scene) {
			path := filepath.Join(Folder(s.Layout), "."+storedName+tempSuffix)
			put(t, path, nil)
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { file.Close() })
			if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
		}, want: "?", why: "being written"},
		{name: "left by one that was cut off", prepare: in("."+storedName+tempSuffix, nil)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := scene{layout(t), filepath.Join(t.TempDir(), "away.tar.zst")}
			c.prepare(t, s)
			search := Search{Layout: s.Layout, Instance: "123456789012", IgnoreMissing: c.ignore}
			if c.open {
				if err := search.Keys.Add([]byte(identity.String())); err != nil {
					t.Fatal(err)
				}
			}
			all, err := search.Needs()
			if err != nil {
				t.Fatal(err)
			}
			var got, why []string
			for _, n := range all {
				got = append(got, map[bool]string{true: "?", false: map[sks.KeyID]string{one: "1", two: "2"}[n.Key]}[n.Any])
				why = append(why, n.String())
				if (n.Any || n.Why != "") && n.Advice == "" {
					t.Errorf("%s: no advice", n)
				}
			}
			slices.Sort(got)
			if strings.Join(got, "") != c.want || !strings.Contains(strings.Join(why, " "), c.why) {
				t.Errorf("keys %v, want %s: %v", got, c.want, why)
			}
		})
	}
}

// A register that cannot be read leaves the question open: no key may go.
func TestNeedsOfABrokenRegister(t *testing.T) {
	l := layout(t)
	if err := os.Mkdir(l.Run(""), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, registerPath(l), []byte(`{"version":2}`))
	if _, err := (Search{Layout: l}).Needs(); fault.Of(err) != fault.Malformed || !strings.Contains(fault.HintFor(err), registerPath(l)) {
		t.Errorf("%v", err)
	}
	if _, err := enter(l, "/mnt/a", needing(sks.NewKeyID())); fault.Of(err) != fault.Malformed {
		t.Errorf("it was overwritten: %v", err)
	}
}
