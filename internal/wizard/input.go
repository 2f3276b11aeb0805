package wizard

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// input reads a file until a context ends. A read of a terminal or a pipe
// cannot be broken off otherwise, and a signal would wait for the next line.
type input struct {
	file *os.File
	wake *os.File // readable as soon as the context has ended
	stop func()
}

func newInput(ctx context.Context, file *os.File) (*input, error) {
	wake, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { end.Close() })
	return &input{file: file, wake: wake, stop: func() {
		if stop() {
			end.Close()
		}
		wake.Close()
	}}, nil
}

var errStopped = errors.New("interrupted")

// Read waits for input or the end of the context; then it answers errStopped.
func (in *input) Read(p []byte) (int, error) {
	fds := []unix.PollFd{
		{Fd: int32(in.file.Fd()), Events: unix.POLLIN},
		{Fd: int32(in.wake.Fd()), Events: unix.POLLIN},
	}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if fds[1].Revents != 0 {
			return 0, errStopped
		}
		n, err := in.file.Read(p)
		if errors.Is(err, unix.EIO) { // a terminal that was hung up
			err = io.EOF
		}
		return n, err
	}
}
