package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

// aheadStep is how much is gathered before the disk is told to begin.
const aheadStep = 16 << 20

// Ahead writes a large new file from its start and lets the disk begin with
// each part while the next one is being made, so that the Sync at the end has
// little left to wait for. It promises nothing about durability: Sync does, and
// reports what went wrong in between.
type Ahead struct {
	File           *os.File
	written, begun int64
}

// Write implements io.Writer.
func (a *Ahead) Write(b []byte) (int, error) {
	n, err := a.File.Write(b)
	a.written += int64(n)
	if err == nil && a.written-a.begun >= aheadStep {
		_ = unix.SyncFileRange(int(a.File.Fd()), a.begun, a.written-a.begun, unix.SYNC_FILE_RANGE_WRITE)
		a.begun = a.written
	}
	return n, err
}
