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
// when a key is to be retired: that there is one outside of BASE/backups, and
// which key an encrypted one needs.

// registerVersion is that of the register which this program writes.
const registerVersion = 1

// Bounds of the register: a daily backup for eleven years.
const (
	maxRegister   = 1 << 20
	maxRegistered = 4096
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
		r.Backups = slices.DeleteFunc(r.Backups, func(e registered) bool { return pruned(l, e.Path) })
		if len(r.Backups) == maxRegistered {
			r.Backups, r.More = r.Backups[1:], true
		}
		r.Backups = append(r.Backups, registered{path, m.Key.ID, m.Time})
		return true
	})
	return fresh, err
}

// canonical gives an archive in BASE/backups the one name that it is listed by,
// whatever links lead there.
func canonical(l vault.Layout, path string) string {
	if dir, err := filepath.EvalSymlinks(Folder(l)); err == nil && dir == filepath.Dir(path) {
		return filepath.Join(Folder(l), filepath.Base(path))
	}
	return path
}

// pruned tells of an archive in BASE/backups, where ssovault itself looks after
// them, that it is no longer there.
func pruned(l vault.Layout, path string) bool {
	if filepath.Dir(path) != Folder(l) {
		return false
	}
	there, err := durable.Exists(path)
	return err == nil && !there
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
