package p11test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// files is a small program that sysfault is tried on. Its first argument is a
// folder, the rest say what it does there. An error ends it with status 1.
func files(dir string, tasks []string) int {
	for _, task := range tasks {
		if err := doFiles(dir, task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

func doFiles(dir, task string) error {
	switch task {
	case "undumpable":
		return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	case "save":
		return save(dir)
	case "power":
		return forPower(dir)
	case "two writes":
		return twoWrites(dir)
	case "relative":
		return relative(dir)
	case "elsewhere":
		return elsewhere()
	case "threads":
		return inThreads(dir)
	case "child":
		cmd := exec.Command(os.Args[0], dir, "save", "threads")
		cmd.Stderr = os.Stderr
		return cmd.Run()
	case "become":
		return syscall.Exec(os.Args[0], []string{os.Args[0], dir, "save"}, os.Environ())
	case "read":
		_, err := os.ReadFile(filepath.Join(dir, "given"))
		return err
	case "SIGTERM":
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		select {}
	case "status 3":
		os.Exit(3)
	}
	return fmt.Errorf("no such task %q", task)
}

// saveSteps is what save does, as sysfault names it, and the folder's content
// before each step.
var saveSteps = []struct {
	line   string
	before []string
}{
	{"mkdirat %s/sub", nil},
	{"openat %s/sub/a.tmp", []string{"sub"}},
	{"write %s/sub/a.tmp", []string{"sub", "sub/a.tmp=0"}},
	{"fsync %s/sub/a.tmp", []string{"sub", "sub/a.tmp=5"}},
	{"fchmod %s/sub/a.tmp", []string{"sub", "sub/a.tmp=5"}},
	{"renameat %s/sub/a.tmp -> %s/sub/a", []string{"sub", "sub/a.tmp=5"}},
	{"fsync %s/sub", []string{"sub", "sub/a=5"}},
	{"linkat %s/sub/a -> %s/b", []string{"sub", "sub/a=5"}},
	{"symlinkat %s/c", []string{"b=5", "sub", "sub/a=5"}},
	{"unlinkat %s/sub/a", []string{"b=5", "c", "sub", "sub/a=5"}},
	{"openat %s/b", []string{"b=5", "c", "sub"}},
	{"ftruncate %s/b", []string{"b=5", "c", "sub"}},
	{"flock %s/b", []string{"b=2", "c", "sub"}},
}

func save(dir string) error {
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(sub, "a.tmp"))
	if err != nil {
		return err
	}
	if _, err = f.WriteString("hello"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(sub, "a.tmp"), filepath.Join(sub, "a")); err != nil {
		return err
	}
	d, err := os.Open(sub)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return err
	}
	if err := os.Link(filepath.Join(sub, "a"), filepath.Join(dir, "b")); err != nil {
		return err
	}
	if err := os.Symlink("b", filepath.Join(dir, "c")); err != nil {
		return err
	}
	// Not os.Remove, which tries a second call when the first one fails.
	if err := unix.Unlinkat(unix.AT_FDCWD, filepath.Join(sub, "a"), 0); err != nil {
		return err
	}
	b, err := os.OpenFile(filepath.Join(dir, "b"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := b.Truncate(2); err != nil {
		return err
	}
	if err := syscall.Flock(int(b.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	return b.Close()
}

// forPower leaves names and contents synced and not.
func forPower(dir string) error {
	put := func(name, text string, sync bool) error {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err == nil && sync {
			err = f.Sync()
		}
		return errors.Join(err, f.Close())
	}
	syncNames := func() error {
		d, err := os.Open(dir)
		if err != nil {
			return err
		}
		return errors.Join(d.Sync(), d.Close())
	}
	move := func(from, to string) error { return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)) }
	return errors.Join(
		put("a", "old", true), syncNames(),
		put("b", "gone", false), put("c", "kept", true), move("a", "a2"), syncNames(),
		move("a2", "a3"), unix.Unlinkat(unix.AT_FDCWD, filepath.Join(dir, "c"), 0), os.Mkdir(filepath.Join(dir, "d"), 0o700), put("d/e", "new", true),
		os.Chmod(filepath.Join(dir, "a3"), 0o600))
}

// twoWrites goes on after a write that fails.
func twoWrites(dir string) error {
	f, err := os.Create(filepath.Join(dir, "w"))
	if err != nil {
		return err
	}
	for range 2 {
		n, err := f.WriteString("x")
		fmt.Println(n, errors.Is(err, syscall.ENOSPC))
	}
	return f.Close()
}

// relative names its files by the working directory, a descriptor, a dotted
// path, and the link of a descriptor.
func relative(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	d, err := unix.Open(".", unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(
		unix.Mkdir("one", 0o700),
		unix.Mkdirat(d, "two", 0o700),
		unix.Mkdir("one/../two/./three", 0o700),
		unix.Mkdir(fmt.Sprintf("/proc/self/fd/%d/four", d), 0o700),
		unix.Rename("one", "five\nsix"),
	)
}

// elsewhere writes to what is no file of a disk.
func elsewhere() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("secret", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for _, f := range []*os.File{w, os.NewFile(uintptr(fd), "memfd"), null} {
		if _, err := f.WriteString("x"); err != nil {
			return err
		}
	}
	return errors.Join(unix.Ftruncate(fd, 10), r.Close())
}

const (
	threadCount  = 8
	threadWrites = 40
)

// inThreads writes from several threads at once.
func inThreads(dir string) error {
	var group sync.WaitGroup
	failures := make([]error, threadCount)
	for i := range threadCount {
		group.Go(func() {
			runtime.LockOSThread()
			f, err := os.Create(filepath.Join(dir, fmt.Sprint("thread", i)))
			if err != nil {
				failures[i] = err
				return
			}
			for range threadWrites {
				_, err := f.WriteString("x")
				failures[i] = errors.Join(failures[i], err)
			}
			failures[i] = errors.Join(failures[i], f.Close())
		})
	}
	group.Wait()
	return errors.Join(failures...)
}
