package backup

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/keystore"
	"ssovault/internal/properties"
	"ssovault/internal/secret"
	"ssovault/internal/vault"
)

// attempts is how often a backup begins again because a file of somebody else
// changed under it.
const attempts = 5

// Creation says what to back up, and where to.
type Creation struct {
	Layout vault.Layout
	// Take takes a snapshot under the lock; it is called again for each attempt.
	Take func() (*vault.Snapshot, error)
	// Path is the archive; "" is a default name in Folder.
	Path string
	// To are those who can open it; none: everybody who has it.
	To Recipients
	// Plaintext allows an archive that lies open although it holds secrets
	// that nothing else protects.
	Plaintext bool
	Now       func() time.Time
	Report    Progress
}

// Created is what a backup came to.
type Created struct {
	Path      string   `json:"path"`
	Size      int64    `json:"size"` // of the archive
	Encrypted bool     `json:"encrypted"`
	Manifest  Manifest `json:"manifest"`
	Skipped   []string `json:"skipped,omitempty"` // sockets and pipes
	// Recovery is how the recovery file in it stands beside its settings.
	Recovery vault.RecoveryState `json:"recovery_file"`
	// Unregistered says why the register does not know of the archive, or nil:
	// one that is retired may be the key that it needs.
	Unregistered error `json:"-"`
}

// Create makes an archive of one whole save: written beside its name, synced,
// and then renamed, so that whatever bears the name is whole. The errors are
// those of Take; Usage for secrets that would lie open, or a name that is
// taken; DiskFull. It needs no key and no device.
func Create(ctx context.Context, c Creation) (Created, error) {
	for n := 1; ; n++ {
		out, err := c.once(ctx)
		if !errors.Is(err, vault.ErrChanged) || n == attempts {
			return out, explainChange(err)
		}
	}
}

func explainChange(err error) error {
	if !errors.Is(err, vault.ErrChanged) {
		return err
	}
	return fault.Wrap(fault.Unclassified, err, "it changed during each of %d attempts", attempts).(*fault.Error).
		With("let whatever writes this file pause or write it elsewhere, and back up again; nothing was left behind")
}

func (c Creation) once(ctx context.Context) (out Created, err error) {
	s, err := c.Take()
	if err != nil {
		return out, err
	}
	defer s.Close()
	if !c.To.Any() && !c.Plaintext {
		if err := lockedAway(s); err != nil {
			return out, err
		}
	}
	m := &meter{ctx: ctx, report: c.Report}
	out = Created{Encrypted: c.To.Any(), Skipped: s.Skipped}
	if out.Manifest, err = manifestOf(s.Contents, c.Now()); err != nil {
		return out, err
	}
	if out.Manifest.Entries, err = survey(s, m); err != nil {
		return out, err
	}
	if err := out.Manifest.check(); err != nil {
		return out, fault.New(fault.NotPermitted, "data/ cannot be backed up: %v", err).With("rename or remove what the message names")
	}
	out.Recovery = out.Manifest.Recovery(s.Contents)
	t, err := c.open(out.Manifest)
	if err != nil {
		return out, err
	}
	defer t.discard()
	// Before it is there: what is cut off here may be registered in vain, but not missed.
	name := t.names(t.taken)
	fresh, enterErr := enter(c.Layout, name, out.Manifest)
	out.Unregistered = enterErr
	defer func() {
		if err != nil && fresh && out.Path == "" {
			_ = strike(c.Layout, name, out.Manifest)
		}
	}()
	if err := write(t.buffer, out.Manifest, s, c.To, m); err != nil {
		return out, fault.Wrap(durable.Cause(err), err, "back up")
	}
	if out.Path, out.Size, err = t.finish(); err == nil && out.Path != name { // another one has that by now
		_, out.Unregistered = enter(c.Layout, out.Path, out.Manifest)
	}
	return out, err
}

// manifestOf says which save it is and which key it needs.
func manifestOf(c *vault.Contents, now time.Time) (Manifest, error) {
	m := Manifest{Version: Version, Program: "ssovault", Time: now.UTC().Truncate(time.Second), Mode: c.Mode}
	if c.Mode == vault.ModeSealed {
		m.Instance, m.Generation, m.SaveID = c.SKS.Instance, c.Shared.Generation, c.Shared.SaveID
		m.Key = &Key{Label: c.SKS.KeyLabel, ID: c.SKS.KeyID, TokenLabel: c.SKS.Label, TokenSerial: c.SKS.Serial}
		return m, nil
	}
	set, err := properties.Parse(c.Clear.Instance)
	if err != nil {
		return m, fault.Wrap(fault.Malformed, err, "data/%s", vault.InstanceClear)
	}
	m.Instance, _ = set.Get("instance_number")
	if m.check() != nil {
		return m, fault.New(fault.Malformed, "data/%s has no instance number of 12 digits", vault.InstanceClear)
	}
	return m, nil
}

// lockedAway makes sure that an archive which lies open holds no secret that
// nothing else protects: settings in the clear, a key store that opens with an
// empty password. Whether it has another password cannot be known without the
// HSM.
func lockedAway(s *vault.Snapshot) error {
	refuse := func(what string) error {
		return fault.New(fault.Usage, "%s, and would lie open in the backup too", what).
			With("encrypt the backup with '--encrypt-to age1…' or '--passphrase', or say '--plaintext'")
	}
	if s.Contents.Mode == vault.ModeClear {
		return refuse("the settings lie in the clear (secure key storage is off)")
	}
	for _, name := range []string{vault.KeyStoreFile, vault.KeyStorePEM} {
		b, err := s.ReadOwn(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = keystore.Open(b, secret.Value{}, secret.Value{})
		secret.Wipe(b)
		if err == nil {
			return refuse("the key store data/" + name + " has no password")
		}
	}
	return nil
}

// A target is an archive that is being written beside its name.
type target struct {
	file   *os.File
	buffer *bufio.Writer
	temp   string
	names  func(n int) string // the n-th choice, "" when there is none
	taken  int                // how many choices were taken
}

// writeBuffer gathers what age and tar hand over in small pieces.
const writeBuffer = 1 << 20

// open begins the archive.
func (c Creation) open(m Manifest) (*target, error) {
	t := &target{}
	if c.Path == "" {
		dir := Folder(c.Layout)
		if err := durable.MakeFolder(dir); err != nil {
			return nil, err
		}
		if err := sweep(c.Layout, dir); err != nil {
			return nil, err
		}
		t.names = func(n int) string { return filepath.Join(dir, nameOf(m, c.To.Any(), n)) }
	} else {
		path, err := outside(c.Path, c.Layout)
		if err != nil {
			return nil, err
		}
		t.names = func(n int) string {
			if n > 1 {
				return ""
			}
			return path
		}
	}
	for n := 1; ; n++ {
		name := t.names(n)
		if name == "" {
			return nil, fault.New(fault.Usage, "there is already a file %s", t.names(1)).With("give another name; a backup is never overwritten")
		}
		there, err := durable.Exists(name)
		if err != nil {
			return nil, err
		}
		if there {
			continue
		}
		ok, err := t.begin(name)
		if err != nil || ok {
			t.taken = n
			return t, err
		}
	}
}

// outside makes sure that an archive does not go where it would be part of the
// next backup.
func outside(path string, l vault.Layout) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "the name of the backup")
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "the folder of the backup")
	}
	data, err := filepath.EvalSymlinks(l.Data(""))
	if err != nil {
		return "", fault.Wrap(durable.Cause(err), err, "find data/")
	}
	if dir == data || strings.HasPrefix(dir, data+"/") {
		return "", fault.New(fault.Usage, "%s is in data/, which is what is being backed up", path)
	}
	return filepath.Join(dir, filepath.Base(abs)), nil
}

// begin makes the file beside a name, locked so that no other backup takes it
// for a leftover. It says false when another one is writing it.
func (t *target) begin(name string) (bool, error) {
	t.temp = filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+tempSuffix)
	if err := removeLeft(t.temp); err != nil {
		return false, err
	}
	file, err := os.OpenFile(t.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, durable.FileMode)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fault.Wrap(durable.Cause(err), err, "make the backup")
	}
	t.file = file
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.discard()
		return false, fault.Wrap(durable.Cause(err), err, "lock %s", t.temp)
	}
	if err := file.Chmod(durable.FileMode); err != nil { // whatever the umask said
		t.discard()
		return false, fault.Wrap(durable.Cause(err), err, "make the backup")
	}
	t.buffer = bufio.NewWriterSize(&durable.Ahead{File: file}, writeBuffer)
	return true, nil
}

// finish makes the archive durable under its name.
func (t *target) finish() (path string, size int64, err error) {
	if err := t.buffer.Flush(); err != nil {
		return "", 0, fault.Wrap(durable.Cause(err), err, "write the backup")
	}
	if err := t.file.Sync(); err != nil {
		return "", 0, fault.Wrap(durable.Cause(err), err, "sync the backup")
	}
	info, err := t.file.Stat()
	if err != nil {
		return "", 0, fault.Wrap(durable.Cause(err), err, "look at the backup")
	}
	for ; ; t.taken++ {
		path = t.names(t.taken)
		if path == "" {
			return "", 0, fault.New(fault.Usage, "there is already a file %s", t.names(1)).With("give another name; a backup is never overwritten")
		}
		err := durable.RenameNew(t.temp, path)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", 0, err
		}
		t.temp = ""
		break
	}
	return path, info.Size(), durable.SyncFolder(filepath.Dir(path))
}

// discard removes what was written unless it was finished.
func (t *target) discard() {
	if t.temp != "" && t.file != nil {
		_ = os.Remove(t.temp)
	}
	if t.file != nil {
		_ = t.file.Close()
	}
}

// sweep removes what backups left in a folder that were cut off, and takes them
// out of the register: they never came to be.
func sweep(l vault.Layout, dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, ".ssovault-*"+tempSuffix))
	if err != nil {
		return err
	}
	for _, temp := range left {
		if err := removeLeft(temp); err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(temp), "."), tempSuffix)
		if !isThere(temp) && !isThere(filepath.Join(dir, name)) {
			_ = Forget(l, filepath.Join(dir, name)) // in vain it only says one need too many
		}
	}
	return nil
}

// isThere tells whether there is something, as far as that can be told.
func isThere(path string) bool {
	there, err := durable.Exists(path)
	return there || err != nil
}

// removeLeft removes the beginning of an archive, unless somebody is still
// writing it.
func removeLeft(path string) error {
	file, err := durable.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	switch err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil
	case err != nil:
		return fault.Wrap(durable.Cause(err), err, "lock %s", path)
	}
	return durable.Remove(path)
}
