package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/owner"
)

// Use says what a command does to the folder.
type Use int

const (
	// Look reads, and leaves nothing behind: where no lock file is, no other
	// ssovault has changed anything yet, and none is made.
	Look Use = iota
	// Read holds a shared lock.
	Read
	// Change holds the lock alone, and has finished any save that was cut off.
	Change
)

// DefaultLockWait is how long a command waits for another one.
const DefaultLockWait = 10 * time.Second

// lockPoll is how often a held lock is tried again; flock(2) has no deadline.
const lockPoll = 20 * time.Millisecond

// Folder is an install folder that is locked for a use. It is not safe for
// concurrent use.
type Folder struct {
	Layout
	Owner owner.Identity
	lock  *flock.Flock // nil when nothing is locked
}

// Open finds the folder and locks it for a use. Causes as Find and Lock.
func Open(ctx context.Context, base string, use Use, wait time.Duration) (*Folder, error) {
	f, err := Find(base)
	if err == nil {
		err = f.Lock(ctx, use, wait)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Find checks that nobody else could have put things there, and becomes the
// folder's owner when started as root. Cause NotPermitted or NoConfiguration
// (no such folder).
func Find(base string) (*Folder, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, fault.Wrap(fault.NotPermitted, err, "find the install folder")
	}
	id, err := owner.Of(base)
	if err != nil {
		return nil, err
	}
	if err := owner.Become(id); err != nil {
		return nil, err
	}
	f := &Folder{Layout: Layout{base}, Owner: id}
	if err := f.checkFolders(); err != nil {
		return nil, err
	}
	return f, nil
}

// Lock takes the lock for a use, and for Change finishes a save that was cut
// off. A restore that was cut off is finished whatever the use is: until then
// data/ may be neither the old nor the new. Cause Busy when the lock is not
// free within wait.
func (f *Folder) Lock(ctx context.Context, use Use, wait time.Duration) error {
	if err := f.take(ctx, use, wait); err != nil {
		return err
	}
	err := f.settleFor(ctx, use, wait)
	if err != nil {
		f.Close()
	}
	return err
}

// settleFor finishes what was cut off, as far as the use needs it.
func (f *Folder) settleFor(ctx context.Context, use Use, wait time.Duration) error {
	if use == Change {
		if err := f.settleExchange(); err != nil {
			return err
		}
		return f.settleJournal()
	}
	j, err := f.readExchange()
	if err != nil || j == nil {
		return err
	}
	f.Close()
	if err := f.take(ctx, Change, wait); err != nil {
		return err
	}
	if err := f.settleExchange(); err != nil {
		return err
	}
	f.Close()
	return f.take(ctx, use, wait)
}

// Close gives the lock back.
func (f *Folder) Close() {
	if f.lock != nil {
		_ = f.lock.Close()
		f.lock = nil
	}
}

// checkFolders refuses a data/, run/ or logs/ that is a link, or that others
// may write to.
func (f *Folder) checkFolders() error {
	for _, dir := range []string{f.Data(""), f.Run(""), filepath.Dir(f.Log())} {
		info, err := os.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fault.Wrap(fault.NotPermitted, err, "look at %s", dir)
		}
		if !info.IsDir() {
			return fault.New(fault.NotPermitted, "%s is not a folder", dir).
				With("move away what lies there: a folder is meant, and no link to one (a file system of its own can be mounted there)")
		}
		if err := owner.Protected(dir, f.Owner.UID); err != nil {
			return err
		}
	}
	return nil
}

func (f *Folder) take(ctx context.Context, use Use, wait time.Duration) error {
	if use == Look {
		if there, err := durable.Exists(f.Layout.lock()); err != nil || !there {
			return err
		}
	} else if err := durable.MakeFolder(f.Run("")); err != nil && (use == Change || !errors.Is(err, unix.EROFS)) {
		return err
	}
	lock := flock.New(f.Layout.lock(), flock.SetFlag(os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW), flock.SetPermissions(durable.FileMode))
	err := waitFor(ctx, lock, use == Change, wait)
	if errors.Is(err, unix.EROFS) && use != Change {
		return nil // nobody can change anything here: a service still starts
	}
	if err != nil {
		return err
	}
	f.lock = lock
	return nil
}

// waitFor takes a lock, shared or alone.
func waitFor(ctx context.Context, lock *flock.Flock, alone bool, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	try := lock.TryRLockContext
	if alone {
		try = lock.TryLockContext
	}
	now := lock.TryRLock
	if alone {
		now = lock.TryLock
	}
	ok, err := now() // also when there is no time to wait
	if err == nil && !ok {
		ok, err = try(ctx, lockPoll)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Busy, "%s is held by another ssovault; waited %v", lock.Path(), wait)
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Interrupted, err, "wait for %s", lock.Path())
	case err != nil:
		return fault.Wrap(durable.Cause(err), err, "lock %s", lock.Path())
	case !ok:
		return fault.New(fault.Busy, "%s is held by another ssovault", lock.Path())
	}
	return nil
}

// OpenToOthers lists what others than the owner may read in data/, and should
// not.
func (f *Folder) OpenToOthers() ([]string, error) {
	var open []string
	err := f.eachOpen(func(path string) error { open = append(open, path); return nil })
	return open, err
}

// CloseToOthers takes those rights away. Cause NotPermitted where it cannot.
func (f *Folder) CloseToOthers() error {
	return f.eachOpen(func(path string) error {
		info, err := os.Lstat(path)
		if err != nil {
			return fault.Wrap(fault.NotPermitted, err, "look at %s", path)
		}
		if err := os.Chmod(path, info.Mode().Perm()&0o700); err != nil {
			return fault.Wrap(fault.NotPermitted, err, "close %s to others", path)
		}
		return nil
	})
}

// eachOpen calls do for data/ and each of our files there that has rights for
// others. Files that are not ours are never touched.
func (f *Folder) eachOpen(do func(path string) error) error {
	names := []string{"", SKSFile, InstanceEncp, SharedEncp, InstanceClear, SharedClear, KeyStoreFile, KeyStorePEM, MetadataFile, RecoveryFile}
	for _, name := range names {
		path := f.Data(name)
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at %s: %w", path, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o077 != 0 {
			if err := do(path); err != nil {
				return err
			}
		}
	}
	return nil
}
