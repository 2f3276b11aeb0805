package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// Folder is the default place of backups.
func Folder(l vault.Layout) string { return filepath.Join(l.Base, "backups") }

const (
	stampLayout = "20060102-150405"
	plainSuffix = ".tar.zst"
	ageSuffix   = ".age"
	tempSuffix  = ".new"
)

// named is what the default name of an archive says.
var named = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^ssovault-([0-9]{12})-g([0-9]{1,20})-([0-9]{8}-[0-9]{6})(?:-([0-9]{1,4}))?\.tar\.zst(\.age)?$`)
})

// nameOf is the default name of an archive; n > 1 tells several of one second
// apart.
func nameOf(m Manifest, encrypted bool, n int) string {
	name := fmt.Sprintf("ssovault-%s-g%d-%s", m.Instance, m.Generation, m.Time.UTC().Format(stampLayout))
	if n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	name += plainSuffix
	if encrypted {
		name += ageSuffix
	}
	return name
}

// Stored is an archive in the folder of backups, by its name alone: so those
// can be listed that nobody here can open.
type Stored struct {
	Path       string    `json:"path"`
	Instance   string    `json:"instance"`
	Generation uint64    `json:"generation"`
	Time       time.Time `json:"time"`
	Encrypted  bool      `json:"encrypted"`
	Size       int64     `json:"size"` // of the archive
	number     int       // of those of one second
}

// Stores lists the archives in a folder that bear a default name, newest
// first. Other files are none of its business; no folder is an empty one.
func Stores(dir string) ([]Stored, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "list %s", dir)
	}
	var all []Stored
	for _, e := range entries {
		s, ok := parseName(e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fault.Wrap(durable.Cause(err), err, "list %s", dir)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		s.Path, s.Size = filepath.Join(dir, e.Name()), info.Size()
		all = append(all, s)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[j].older(all[i]) })
	return all, nil
}

// older orders archives by what their names say.
func (s Stored) older(t Stored) bool {
	switch {
	case !s.Time.Equal(t.Time):
		return s.Time.Before(t.Time)
	case s.number != t.number:
		return s.number < t.number
	}
	return s.Path < t.Path
}

func parseName(name string) (s Stored, ok bool) {
	parts := named().FindStringSubmatch(name)
	if parts == nil {
		return s, false
	}
	var err error
	s.Instance = parts[1]
	if s.Generation, err = strconv.ParseUint(parts[2], 10, 64); err != nil {
		return s, false
	}
	if s.Time, err = time.Parse(stampLayout, parts[3]); err != nil {
		return s, false
	}
	s.number = 1
	if parts[4] != "" {
		if s.number, err = strconv.Atoi(parts[4]); err != nil {
			return s, false
		}
	}
	s.Encrypted = parts[5] != ""
	return s, true
}

// Hold keeps other prunes off a folder of backups. The lock is on the folder
// itself, so it leaves nothing behind. Cause Busy.
func Hold(dir string) (release func(), err error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "open %s", dir)
	}
	err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return func() { _ = d.Close() }, nil
	}
	_ = d.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fault.New(fault.Busy, "another ssovault prunes %s", dir)
	}
	return nil, fault.Wrap(durable.Cause(err), err, "lock %s", dir)
}
