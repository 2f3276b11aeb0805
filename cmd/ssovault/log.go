package main

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
)

// logFile is BASE/logs/ssovault.log, opened at its first line. Where it cannot
// be written its lines go to standard error, and the command goes on.
type logFile struct {
	path     string // "" until the folder is known to be ours
	fallback io.Writer
	file     *os.File
}

// Write appends one line.
func (l *logFile) Write(line []byte) (int, error) {
	if l.file == nil && l.path != "" {
		if err := durable.MakeFolder(filepath.Dir(l.path)); err == nil {
			l.file, _ = os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW|unix.O_NONBLOCK, durable.FileMode)
		}
	}
	if l.file != nil {
		if n, err := l.file.Write(line); err == nil {
			return n, nil
		}
	}
	return l.fallback.Write(line)
}
