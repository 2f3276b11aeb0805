package isolate

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ssovault/internal/fault"
	"ssovault/internal/owner"
	"ssovault/internal/secret"
)

// connection is the descriptor that the caller's socket is inherited as: the
// first after the standard ones.
const connection = 3

// Exit statuses of a process whose library did nothing wrong.
const (
	statusDone     = 0
	statusUnusable = 2 // started by hand, or the machine refuses to protect it
)

// Answer is what was asked for. Both its message and its error reach the
// caller; the payload is wiped when it is sent.
type Answer struct {
	Message Message
	Payload []byte
	Err     error
	// Last ends the process when the answer is sent.
	Last bool
}

// Main is the whole of such a process: it hands each request, whose payload is
// wiped afterwards, to handle, one after the other, and ends with whoever
// started it. It never returns, and is to be called before anything else when
// Argument is the first argument. An error of handle's own is one of the
// protocol: the process ends, since its caller is not the program it is.
func (l Protocol) Main(handle func(head, payload []byte) (Answer, error)) {
	if err := protect(); err != nil {
		end(err)
	}
	if err := closeInherited(); err != nil {
		end(err)
	}
	if err := syscall.SetNonblock(connection, false); err != nil {
		end(fmt.Errorf("%s is started by ssovault itself: %w", l.Argument, err))
	}
	syscall.CloseOnExec(connection)
	conn := os.NewFile(connection, "caller")
	// What ends the caller, or everything in its control group, must not cut off a
	// call; the process ends with its caller anyway.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	// Whoever asked is gone: so is the reason to be. Only a call that is under
	// way may still come to its end.
	end(l.serve(conn, handle, func() { time.AfterFunc(afterlife, func() { syscall.Exit(statusDone) }) }))
}

// afterlife is how long a call may go on after its caller has gone. SoftHSM
// rewrites the file of a token in place at each login: cut off there, it leaves
// an empty one, and all keys of the token are lost.
const afterlife = 3 * time.Second

// frame is a message as it came.
type frame struct{ head, payload []byte }

// serve answers until the caller is gone or has closed. It reads in a goroutine
// of its own, so that gone is called even while the library does not come back
// from a call; one that does is the last.
func (l Protocol) serve(conn io.ReadWriter, handle func(head, payload []byte) (Answer, error), gone func()) error {
	frames := make(chan frame)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(frames)
		for {
			head, payload, err := readFrame(conn)
			if err != nil {
				gone()
				return
			}
			select {
			case frames <- frame{head, payload}:
			case <-done:
				return
			}
		}
	}()
	for f := range frames {
		a, err := handle(f.head, f.payload)
		secret.Wipe(f.payload)
		if err == nil {
			err = l.send(conn, a)
			secret.Wipe(a.Payload)
		}
		if err != nil || a.Last {
			return err
		}
	}
	return nil
}

// send writes an answer.
func (l Protocol) send(w io.Writer, a Answer) error {
	head, err := Encode(pack(a.Err, l.Known), a.Message)
	if err != nil || len(head) > maxHead {
		long := pack(fault.New(fault.Unreachable, "the answer is longer than a message may be"), nil)
		long.Alone = true
		if head, err = Encode(long); err != nil {
			return err
		}
		return writeFrame(w, head)
	}
	return writeFrame(w, head, a.Payload)
}

// end leaves without running exit handlers, of a vendor's library or our own.
func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "ssovault:", err)
		syscall.Exit(statusUnusable)
	}
	syscall.Exit(statusDone)
}

// protect keeps secrets out of core dumps and gives crashes their plain end.
func protect() error {
	if err := owner.Undumpable(); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT} {
		if err := restoreDefault(sig); err != nil {
			return fmt.Errorf("restore the default of %v: %w", sig, err)
		}
	}
	return nil
}

// kernelSigaction is struct sigaction of Linux on 64-bit machines; its zero
// value is SIG_DFL.
type kernelSigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// restoreDefault lets a signal kill this process. The Go runtime would turn a
// crash within the library into its own exit status 2, of which the caller
// could not tell what it was; package os/signal does not reset these signals.
func restoreDefault(sig syscall.Signal) error {
	var action kernelSigaction
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action.mask), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
