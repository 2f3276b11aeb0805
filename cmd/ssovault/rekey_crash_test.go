package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ssovault/internal/p11test"
)

// keyScene is a connector with a second token beside the first.
type keyScene struct {
	*connector
	second p11test.Tok
}

// keyWork is a command that makes or removes keys, and is stopped at its n-th
// call, for every n.
type keyWork struct {
	name string
	// prepare comes after a configuration.
	prepare func(*keyScene)
	args    func(*keyScene) []string
	// changes: the settings end under another key than they began with.
	changes bool
	// again is what a second run answers when the first one's save holds.
	again int
	// keys are how many keys each token holds after a second run, when the
	// first one's save held and when it did not.
	keys func(held bool) (first, second int)
}

var keyWorks = []keyWork{
	{name: "rotate", changes: true,
		args: func(*keyScene) []string { return []string{"rotate"} },
		keys: func(held bool) (int, int) {
			if held {
				return 3, 0 // each run makes another
			}
			return 2, 0
		}},
	{name: "migrate", changes: true, again: 2, // already there
		args: func(k *keyScene) []string {
			return []string{"migrate", "--to", k.second.Serial, "--to-pin-source", "file:" + k.in + "/second.pin", "--service-pin-source", "file"}
		},
		keys: func(bool) (int, int) { return 1, 1 }},
	{name: "migrate from the clear", changes: true, again: 2,
		prepare: func(k *keyScene) { k.must("-disableSKS") },
		args: func(k *keyScene) []string {
			return []string{"migrate", "--to", k.second.Label, "--library", k.module.Path, "--to-pin-source", "file:" + k.in + "/second.pin"}
		},
		keys: func(bool) (int, int) { return 1, 1 }},
	{name: "key retire",
		prepare: func(k *keyScene) {
			gone := k.backup(k.in + "/gone.tar.zst")
			if err := os.Remove(gone); err != nil {
				k.t.Fatal(err)
			}
			k.must("rotate")
			k.must("rotate")
		},
		args: func(*keyScene) []string { return []string{"key", "retire", "--yes", "--ignore-missing-backups"} },
		keys: func(bool) (int, int) { return 1, 0 }},
	{name: "key retire after a migration",
		prepare: func(k *keyScene) {
			k.must("migrate", "--to", k.second.Serial, "--to-pin-source", "file:"+k.in+"/second.pin")
		},
		args: func(k *keyScene) []string {
			return []string{"key", "retire", "--yes", "--token", k.token.Serial, "--pin-source", "file:" + k.in + "/token.pin"}
		},
		keys: func(bool) (int, int) { return 0, 1 }},
}

func TestKeyCrashes(t *testing.T) {
	for _, w := range keyWorks {
		k := newKeyScene(t) // sets a variable, so not in the parallel part
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			k.t = t
			k.configure()
			if w.prepare != nil {
				w.prepare(k)
			}
			pristine := newPristine(k.connector)
			old := k.sealed()
			sweep(k.connector, w.name, everyFault(t), pristine.restore,
				func(i injection, n int) *exec.Cmd { return i.wrap(k.connector, n, w.args(k)) },
				func(point string, o outcome) { w.crash(k, point, o, old) })
		})
	}
}

func newKeyScene(t *testing.T) *keyScene {
	c := newConnector(t)
	second := c.token
	second.PIN = "other-" + second.PIN // so that one taken for the other shows
	k := &keyScene{c, second.Again(t, "second token")}
	c.bring("second.pin", []byte(k.second.PIN+"\n"))
	return k
}

// sealed says how the settings lie: their mode, token and key.
func (k *keyScene) sealed() (s struct {
	Mode string
	Key  struct {
		ID          string
		TokenSerial string `json:"token_serial"`
	}
}) {
	k.t.Helper()
	if err := json.Unmarshal([]byte(k.must("status", "--json")), &s); err != nil {
		k.t.Fatal(err)
	}
	return s
}

// crash looks at what a run with one fault has left, and again after a whole
// one.
func (w keyWork) crash(k *keyScene, point string, o outcome, old any) {
	k.t.Helper()
	if open := k.run("unseal"); open.code != 0 || !strings.Contains(open.stdout, "sso_domain=acme") {
		k.t.Errorf("%s (exit %d): what is left does not open: exit %d\n%s%s", point, o.code, open.code, open.stderr, o.stderr)
		return
	}
	held := w.changes && any(k.sealed()) != old
	if o.code == 0 && w.changes && !held {
		k.t.Errorf("%s: it said that all went well, and the old state is there", point)
	}
	want := 0
	if held {
		want = w.again
	}
	if again := k.run(w.args(k)...); again.code != want {
		k.t.Errorf("%s: the second run: exit %d, not %d\n%s", point, again.code, want, again.stderr)
		return
	}
	k.must("unseal")
	if now := k.sealed(); w.changes && (any(now) == old || now.Mode != "sealed") {
		k.t.Errorf("%s: after the second run: %+v", point, now)
	}
	k.nothingLeft(point)
	first, second := w.keys(held)
	k.holds(point, k.token, first, 1)
	k.holds(point, k.second, second, min(second, 1))
}

// nothingLeft looks for what only a change under way may leave, and for PINs.
func (k *keyScene) nothingLeft(point string) {
	k.t.Helper()
	for name := range k.tree() {
		if strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".journal") || strings.Contains(name, "pending") {
			k.t.Errorf("%s: left behind: %s", point, name)
		}
	}
	kept, _ := filepath.Glob(k.base + "/sks.pin.before-*")
	if len(kept) > 1 {
		k.t.Errorf("%s: the PIN is kept several times: %v", point, kept)
	}
	for _, path := range kept {
		if b, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(b)) != k.token.PIN {
			k.t.Errorf("%s: %s does not hold the PIN before (%v)", point, path, err)
		}
	}
}

// holds looks for so many keys in a token, each with its certificate, and for
// so many marks.
func (k *keyScene) holds(point string, token p11test.Tok, keys, marks int) {
	k.t.Helper()
	objects := "\n" + token.Snapshot(k.t)
	count := func(class string) int { return strings.Count(objects, "\n"+class+" ") }
	if count("secret-key") != keys || count("certificate") != keys || count("data") != marks {
		k.t.Errorf("%s: token %s: %d keys, %d certificates, %d marks; want %d, %d, %d\n%s", point, token.Label,
			count("secret-key"), count("certificate"), count("data"), keys, keys, marks, objects)
	}
}
