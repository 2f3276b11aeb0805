package vault

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// A Snapshot is one whole save of a data folder, with everything else that
// lies there, for as long as it takes to copy it. Our own files are open from
// the moment on at which it was taken, and a save replaces them by a rename:
// so no lock is held while gigabytes of a cache are read.
type Snapshot struct {
	Contents *Contents
	// Skipped are sockets and pipes: they hold nothing that could be kept.
	Skipped []string
	root    *os.Root
	pinned  map[string]*os.File
	items   []Item
}

// Item is a file or a folder of a snapshot. Name is relative to data/, with
// slashes.
type Item struct {
	Name string
	Info fs.FileInfo
}

// ErrChanged is what a snapshot's reader wraps when a file of somebody else
// changed while it was read.
var ErrChanged = errors.New("the file changes while it is being read")

// Snapshot takes one. The folder must be locked; the lock may be given back
// as soon as this returns. The errors are those of Scan, and NotPermitted for a
// link or a device in data/.
func (f *Folder) Snapshot() (s *Snapshot, err error) {
	s = &Snapshot{pinned: map[string]*os.File{}}
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	if s.Contents, err = f.Scan(BoundMatch); err != nil {
		return s, err
	}
	v, err := f.view()
	if err != nil {
		return s, err
	}
	if s.root, err = os.OpenRoot(v.folder); err != nil {
		return s, fault.Wrap(durable.Cause(err), err, "open %s", v.folder)
	}
	for full := range journalled {
		if name, ok := strings.CutPrefix(full, "data/"); ok {
			if err := s.pin(v, name); err != nil {
				return s, err
			}
		}
	}
	if err := s.list(); err != nil {
		return s, fault.Wrap(durable.Cause(err), err, "list %s", v.folder)
	}
	sort.Slice(s.items, func(i, j int) bool { return s.items[i].Name < s.items[j].Name })
	return s, nil
}

// pin opens one of our files, wherever the last save left it.
func (s *Snapshot) pin(v view, name string) error {
	at, err := v.path(name)
	if err != nil || at == "" {
		return err
	}
	file, err := durable.OpenFile(at)
	if err != nil {
		return err
	}
	s.pinned[name] = file
	info, err := file.Stat()
	s.items = append(s.items, Item{name, info})
	return err
}

// list adds what is not ours.
func (s *Snapshot) list() error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != ".":
			return nil // it went while we looked
		case err != nil:
			return err
		case name == ".", journalled["data/"+name]:
			return nil
		case Passing(name):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case info.IsDir(), info.Mode().IsRegular():
			s.items = append(s.items, Item{name, info})
		case info.Mode()&(fs.ModeSocket|fs.ModeNamedPipe) != 0:
			s.Skipped = append(s.Skipped, name)
		default:
			return fault.New(fault.NotPermitted, "data/%s is a link or a device: only files and folders can be kept", name).
				With("put the file itself there, or take the link away")
		}
		return nil
	})
}

// Passing tells whether a name in data/ is that of something which is there
// while a save or a restore is under way, and belongs into no backup.
func Passing(name string) bool {
	return name == journalFile || name == "."+journalFile+".new" || name == stagedName || name == markerName || isBeside(name)
}

// OwnName gives the name of ours that a name in data/ looks like on a file
// system that does not tell upper and lower case apart, or "".
func OwnName(name string) string {
	for full := range journalled {
		if own, ok := strings.CutPrefix(full, "data/"); ok && strings.EqualFold(own, name) {
			return own
		}
	}
	return ""
}

// Items lists what the snapshot holds, sorted by name.
func (s *Snapshot) Items() []Item { return s.items }

// Open gives the content of a file from its start. A file that is not the one
// which was listed is ErrChanged.
func (s *Snapshot) Open(item Item) (io.ReadCloser, error) {
	if file, ok := s.pinned[item.Name]; ok {
		return io.NopCloser(io.NewSectionReader(file, 0, item.Info.Size())), nil
	}
	file, err := s.root.OpenFile(item.Name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Unclassified, errors.Join(ErrChanged, err), "read data/%s", item.Name)
	}
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "read data/%s", item.Name)
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(info, item.Info) {
		err = fault.Wrap(fault.Unclassified, ErrChanged, "read data/%s", item.Name)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// ReadOwn gives one of our files whole; fs.ErrNotExist when the save has none.
func (s *Snapshot) ReadOwn(name string) ([]byte, error) {
	file, ok := s.pinned[path.Clean(name)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fault.New(fault.Malformed, "data/%s has %d bytes, more than it may have", name, info.Size())
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(io.NewSectionReader(file, 0, info.Size()), b)
	return b, err
}

// Close lets go of the files.
func (s *Snapshot) Close() {
	for _, file := range s.pinned {
		_ = file.Close()
	}
	if s.root != nil {
		_ = s.root.Close()
	}
}
