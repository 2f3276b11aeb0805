package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// written are the folders of an install folder that ssovault writes to; any may be
// a mount point. "" is the install folder itself, where sks.pin lies and restore
// works.
var written = []string{"", "data", "logs", "run", "backups"}

// disks looks how much room each file system has that ssovault writes to.
func (v *visit) disks() {
	type device struct {
		path    string
		folders []string
	}
	var all []*device
	byNumber := map[uint64]*device{}
	for _, name := range written {
		path := filepath.Join(v.Folder.Base, name)
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it is made where its parent is
		}
		if err != nil {
			v.fail("disk", fault.Wrap(durable.Cause(err), err, "look at the disk"))
			continue
		}
		number := info.Sys().(*syscall.Stat_t).Dev
		d := byNumber[number]
		if d == nil {
			d = &device{path: path}
			byNumber[number], all = d, append(all, d)
		}
		if name == "" {
			d.folders = append(d.folders, v.Folder.Base)
		} else {
			d.folders = append(d.folders, name+"/")
		}
	}
	for _, d := range all {
		where := ""
		if len(all) > 1 {
			where = " for " + strings.Join(d.folders, ", ")
		}
		v.disk(d.path, where)
	}
}

// disk judges the file system that path is on; where says what it is for.
func (v *visit) disk(path, where string) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		v.fail("disk", fault.Wrap(durable.Cause(err), err, "look at the disk"))
		return
	}
	free := st.Bavail * uint64(st.Bsize)
	text := fmt.Sprintf("%d MiB free%s", free/megabytes, where)
	switch {
	case free < diskNone || st.Files > 0 && st.Ffree == 0:
		v.fail("disk", fault.New(fault.DiskFull, "%s and %d free file entries", text, st.Ffree))
	case free < diskLow:
		v.warn("disk", text, "free some space")
	default:
		v.ok("disk", text)
	}
}
