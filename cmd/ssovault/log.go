package main

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/vault"
)

// logFile is BASE/logs/ssovault.log, opened at its first line. Where it cannot
// be written its lines go to standard error, and the command goes on. Without an
// install folder there is no log: what people must know is said to them.
type logFile struct {
	folder   vault.Layout // of no base until the folder is known to be ours
	fallback io.Writer
	file     *os.File
}

// Write appends one line.
func (l *logFile) Write(line []byte) (int, error) {
	if l.folder.Base == "" {
		return len(line), nil
	}
	if l.file == nil {
		if !l.folder.InUse() {
			return len(line), nil // somebody looked at a folder where nothing is
		}
		path := l.folder.Log()
		if err := durable.MakeFolder(filepath.Dir(path)); err == nil {
			l.file, _ = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, durable.FileMode)
		}
	}
	if l.file != nil {
		if n, err := l.file.Write(line); err == nil {
			return n, nil
		}
	}
	return l.fallback.Write(line)
}
