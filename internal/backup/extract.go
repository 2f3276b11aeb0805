package backup

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// spare is what must stay free beside what is extracted, for the folders.
const spare = 4 << 20

// Extract writes all of the archive into a folder, which must be empty, and
// syncs it: through an os.Root, so that no name can lead out of it. It checks
// beforehand that the disk has room for what the manifest says. What is there
// counts only when it returns nil.
func (a *Archive) Extract(ctx context.Context, dir string, report Progress) error {
	if err := room(dir, a.Manifest); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fault.Wrap(durable.Cause(err), err, "open %s", dir)
	}
	defer root.Close()
	err = a.Walk(ctx, func(e Entry) (io.WriteCloser, error) {
		if e.Folder {
			err := root.Mkdir(e.Name, durable.FolderMode)
			return nil, fault.Wrap(durable.Cause(err), err, "make data/%s", e.Name)
		}
		return newExtracted(root, e)
	}, report)
	if err != nil {
		return err
	}
	return settle(root, dir, a.Manifest.Entries)
}

// settle gives folders their modes and times, and makes all names durable,
// from the innermost out.
func settle(root *os.Root, dir string, entries []Entry) error {
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		if !e.Folder {
			continue
		}
		err := root.Chmod(e.Name, fs.FileMode(e.Mode)&modeBits|durable.FolderMode)
		if err == nil {
			err = root.Chtimes(e.Name, e.Time, e.Time)
		}
		if err != nil {
			return fault.Wrap(durable.Cause(err), err, "settle data/%s", e.Name)
		}
		if err := durable.SyncFolder(filepath.Join(dir, e.Name)); err != nil {
			return err
		}
	}
	return durable.SyncFolder(dir)
}

// room makes sure that the disk can take what the manifest says.
func room(dir string, m Manifest) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fault.Wrap(durable.Cause(err), err, "look at the disk")
	}
	free, block := int64(st.Bavail)*st.Bsize, st.Bsize
	need := m.Total() + int64(len(m.Entries))*block + spare
	if free < need {
		return fault.New(fault.DiskFull, "the backup needs %d MiB, %d MiB are free", need>>20, free>>20)
	}
	return nil
}

// extracted is a file that is being written.
type extracted struct {
	out   durable.Ahead
	root  *os.Root
	entry Entry
}

func newExtracted(root *os.Root, e Entry) (*extracted, error) {
	f, err := root.OpenFile(e.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, durable.FileMode)
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "write data/%s", e.Name)
	}
	return &extracted{durable.Ahead{File: f}, root, e}, nil
}

// Write adds what a full disk means.
func (x *extracted) Write(b []byte) (int, error) {
	n, err := x.out.Write(b)
	return n, fault.Wrap(durable.Cause(err), err, "write data/%s", x.entry.Name)
}

// Close gives the file its mode and time and syncs it. Our own files get 0600,
// whatever the archive says.
func (x *extracted) Close() error {
	mode := fs.FileMode(x.entry.Mode) & modeBits
	if vault.OwnName(x.entry.Name) != "" {
		mode = durable.FileMode
	}
	err := x.out.File.Chmod(mode)
	if err == nil {
		err = x.out.File.Sync()
	}
	err = errors.Join(err, x.out.File.Close())
	if err == nil {
		err = x.root.Chtimes(x.entry.Name, x.entry.Time, x.entry.Time)
	}
	return fault.Wrap(durable.Cause(err), err, "write data/%s", x.entry.Name)
}

// Own checks the whole archive and writes our own files alone into a folder,
// one in memory: enough to judge and to open them.
func (a *Archive) Own(ctx context.Context, dir string, report Progress) (*vault.Contents, error) {
	var own int64
	for _, e := range a.Manifest.Entries {
		if vault.OwnName(e.Name) != "" {
			own += e.Size
		}
	}
	if own > maxOwn {
		return nil, hostile("ssovault's own files in it would have %d MiB", own>>20)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "open %s", dir)
	}
	defer root.Close()
	sink := func(e Entry) (io.WriteCloser, error) {
		if e.Folder || vault.OwnName(e.Name) == "" {
			return nil, nil
		}
		return newExtracted(root, e)
	}
	if err := a.walkAnyhow(ctx, sink, func() error { return a.removeOwn(root) }, report); err != nil {
		return nil, err
	}
	return a.judge(dir)
}

// removeOwn empties a folder of what Own has written so far.
func (a *Archive) removeOwn(root *os.Root) error {
	for _, e := range a.Manifest.Entries {
		if vault.OwnName(e.Name) == "" {
			continue
		}
		if err := root.Remove(e.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fault.Wrap(durable.Cause(err), err, "write data/%s anew", e.Name)
		}
	}
	return nil
}

// maxOwn bounds what goes into memory: two sealed files of 16 MiB and their
// digests, and what is bound to them.
const maxOwn = 128 << 20

// judge reads an extracted folder with all checks that need no device, and
// makes sure that it is what the manifest says: an archive must not show
// itself as another than it is.
func (a *Archive) judge(dir string) (*vault.Contents, error) {
	c, err := vault.ScanCopy(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Malformed, err, "what the backup holds").(*fault.Error).With(anotherBackup)
	}
	is, err := manifestOf(c, a.Manifest.Time)
	if err != nil {
		return nil, err
	}
	says := a.Manifest
	same := is.Mode == says.Mode && is.Instance == says.Instance && is.Generation == says.Generation && is.SaveID == says.SaveID
	if same && is.Key != nil {
		same = *is.Key == *says.Key
	}
	if !same {
		return nil, hostile("its manifest names another save, instance or key than its files do")
	}
	return c, nil
}
