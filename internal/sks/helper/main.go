package helper

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ssovault/internal/owner"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/p11"
)

// Argument is the first argument of a helper process.
const Argument = "__pkcs11"

// connection is the descriptor that the caller's socket is inherited as: the
// first after the standard ones.
const connection = 3

// Exit statuses of a helper whose library did nothing wrong.
const (
	statusDone     = 0
	statusUnusable = 2 // started by hand, or the machine refuses to protect it
)

// Main is the whole of a helper process: it serves the requests of the process
// that started it, and ends with it. It never returns, and is to be called
// before anything else when Argument is the first argument.
func Main() {
	if err := protect(); err != nil {
		end(err)
	}
	if err := syscall.SetNonblock(connection, false); err != nil {
		end(fmt.Errorf("%s is started by ssovault itself: %w", Argument, err))
	}
	syscall.CloseOnExec(connection)
	conn := os.NewFile(connection, "caller")
	s := &server{
		open: func(a sks.Access, pin secret.Value) (device, sks.Token, error) {
			store, token, err := p11.Open(a, pin)
			if err != nil {
				return nil, token, err
			}
			return store, token, nil
		},
		tokens: func(library string, lockWait time.Duration) ([]sks.Token, error) {
			return p11.Tokens(library, lockWait)
		},
	}
	// Whoever asked is gone: so is the reason to be, even within a call that
	// never comes back.
	end(s.serve(conn, func() { syscall.Exit(statusDone) }))
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
