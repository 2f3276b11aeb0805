package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// The register, BASE/run/backups.json, knows of archives what nobody could see
// when a key is to be retired: that there is one outside of BASE/backups, or was
// one there that is elsewhere now, and which key an encrypted one needs.

// registerVersion is that of the register which this program writes.
const registerVersion = 1

// Bounds of the register: a daily backup for eleven years, all of them kept.
// From condenseAt on it forgets what says nothing new.
const (
	maxRegister   = 1 << 20
	maxRegistered = 4096
	condenseAt    = 1024
)

// register is what lies in the file.
type register struct {
	Version int          `json:"version"`
	Backups []registered `json:"backups"`
	// More: there were more than it may hold.
	More bool `json:"more,omitempty"`
}

// registered is an archive and the key that it needs.
type registered struct {
	Path string    `json:"path"`
	Key  sks.KeyID `json:"key_id"`
	Time time.Time `json:"time"`
}

func registerPath(l vault.Layout) string { return l.Run("backups.json") }

// parseRegister reads a register strictly.
func parseRegister(b []byte) (r register, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err = d.Decode(&r); err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	switch {
	case r.Version > registerVersion:
		return r, fault.New(fault.Malformed, "it was written by a newer version of ssovault")
	case err != nil:
		return r, fault.Wrap(fault.Malformed, err, "it is not what ssovault writes")
	case r.Version != registerVersion || len(r.Backups) > maxRegistered:
		return r, fault.New(fault.Malformed, "it is not what ssovault writes")
	}
	for _, e := range r.Backups {
		if !filepath.IsAbs(e.Path) || filepath.Clean(e.Path) != e.Path || len(e.Path) > unix.PathMax {
			return r, fault.New(fault.Malformed, "it names %q, which is no path of an archive", e.Path)
		}
	}
	return r, nil
}

// readRegister gives the register, empty when there is none.
func readRegister(l vault.Layout) (register, error) {
	b, err := durable.Read(registerPath(l), maxRegister)
	if errors.Is(err, fs.ErrNotExist) {
		return register{Version: registerVersion}, nil
	}
	if err != nil {
		return register{}, err
	}
	r, err := parseRegister(b)
	return r, fault.Wrap(fault.Malformed, err, "read %s", registerPath(l))
}

// changeRegister lets one process at a time change the register. The lock is on
// the install folder itself: it leaves nothing behind, and nobody waits for it
// who only reads or saves.
func changeRegister(l vault.Layout, change func(*register) (changed bool)) error {
	d, err := os.Open(l.Base)
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "open %s", l.Base)
	}
	defer d.Close()
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(d.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "lock %s", l.Base)
	}
	if err := durable.Remove(l.Run(".backups.json.new")); err != nil {
		return err
	}
	r, err := readRegister(l)
	if err != nil || !change(&r) {
		return err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	for len(b) >= maxRegister { // long names: half of them are more than it has room for
		r.Backups, r.More = r.Backups[len(r.Backups)/2:], true
		if b, err = json.Marshal(r); err != nil {
			return err
		}
	}
	if err := durable.MakeFolder(l.Run("")); err != nil {
		return err
	}
	return durable.Replace(registerPath(l), append(b, '\n'))
}

// enter registers an archive. It tells whether it was not there before.
func enter(l vault.Layout, path string, m Manifest) (fresh bool, err error) {
	if m.Key == nil {
		return false, nil
	}
	path = canonical(l, path)
	err = changeRegister(l, func(r *register) bool {
		fresh = !slices.ContainsFunc(r.Backups, func(e registered) bool { return e.Path == path && e.Key == m.Key.ID })
		if !fresh {
			return false
		}
		if len(r.Backups) >= condenseAt {
			r.condense(l)
		}
		if len(r.Backups) == maxRegistered {
			r.Backups, r.More = r.Backups[1:], true
		}
		r.Backups = append(r.Backups, registered{path, m.Key.ID, m.Time})
		return true
	})
	return fresh, err
}

// Register lets key retire know of an archive that lies at path, wherever it was
// made: it is a copy that somebody has in hand. One in the clear needs no key.
func Register(l vault.Layout, path string, m Manifest) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if len(path) > unix.PathMax { // the register would not be read again
		return fault.New(fault.Usage, "its path is longer than %d bytes", unix.PathMax)
	}
	_, err = enter(l, path, m)
	return err
}

// canonical gives an archive in BASE/backups the one name that it is listed by,
// whatever links lead there.
func canonical(l vault.Layout, path string) string {
	folder, err := filepath.EvalSymlinks(Folder(l))
	if err != nil {
		return path
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil && dir == folder {
		return filepath.Join(Folder(l), filepath.Base(path))
	}
	return path
}

// condense makes room where old backups are removed by other means than prune:
// of those that are gone from BASE/backups the newest of each key says as well
// as all of them that the key may be needed.
func (r *register) condense(l vault.Layout) {
	said := map[sks.KeyID]bool{}
	for i := len(r.Backups) - 1; i >= 0; i-- {
		e := r.Backups[i]
		if filepath.Dir(e.Path) != Folder(l) || isThere(e.Path) {
			continue
		}
		if said[e.Key] {
			r.Backups = slices.Delete(r.Backups, i, i+1)
		}
		said[e.Key] = true
	}
}

// Forget takes archives out of the register that were removed on purpose, or
// never came to be.
func Forget(l vault.Layout, paths ...string) error {
	gone, names := map[string]bool{}, map[string]bool{}
	for _, path := range paths {
		path = canonical(l, path)
		gone[path], names[filepath.Base(path)] = true, true
	}
	return changeRegister(l, func(r *register) bool {
		before := len(r.Backups)
		r.Backups = slices.DeleteFunc(r.Backups, func(e registered) bool {
			return names[filepath.Base(e.Path)] && gone[canonical(l, e.Path)]
		})
		return len(r.Backups) != before
	})
}

// strike takes an archive out that did not come to be.
func strike(l vault.Layout, path string, m Manifest) error {
	path = canonical(l, path)
	return changeRegister(l, func(r *register) bool {
		before := len(r.Backups)
		r.Backups = slices.DeleteFunc(r.Backups, func(e registered) bool { return e.Path == path && e.Key == m.Key.ID })
		return len(r.Backups) != before
	})
}

// ForgetKeys takes all archives out of the register that need keys which are no
// more, and clears away what a change of it left that was cut off.
func ForgetKeys(l vault.Layout, keys ...sks.KeyID) error {
	return changeRegister(l, func(r *register) bool {
		before := len(r.Backups)
		r.Backups = slices.DeleteFunc(r.Backups, func(e registered) bool { return slices.Contains(keys, e.Key) })
		return len(r.Backups) != before
	})
}
