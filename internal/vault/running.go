package vault

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
)

// ServiceRuns tells whether a service that run started is alive: it holds a
// shared lock on BASE/run/.running.
func (l Layout) ServiceRuns() (bool, error) {
	f, err := durable.OpenFile(l.Running())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// MustNotRun answers Busy while the service runs: its settings are not taken
// from under the seal meanwhile.
func (l Layout) MustNotRun() error {
	runs, err := l.ServiceRuns()
	if err == nil && runs {
		err = fault.New(fault.Busy, "the service that 'ssovault run' started is running").With("stop the service first")
	}
	return err
}
