//go:build cgo

package launch

/*
#include <signal.h>
#include <stddef.h>

// Before main, and so before the Go runtime takes signals over: which ones
// whoever started this process had ignored.
static unsigned char ignored[65];

__attribute__((constructor)) static void note_ignored(void)
{
	struct sigaction action;
	for (int n = 1; n < 65; n++)
		ignored[n] = sigaction(n, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

// The settings that a program inherits across exec.
static void ignore_again(void)
{
	for (int n = 1; n < 65; n++)
		if (ignored[n])
			signal(n, SIG_IGN);
}

static int was_ignored(int n) { return ignored[n]; }
*/
import "C"

import (
	"os"
	"os/signal"
	"syscall"
)

// ignoreAgain ignores the signals that were ignored when this process began, for
// the command that it becomes: systemd starts services with SIGPIPE ignored, and
// the Go runtime, which handles it, would leave them with the default.
func ignoreAgain() { C.ignore_again() }

// ignoreForChild ignores the same signals in this process, for a command that it
// starts and waits for: a child inherits that. SIGCHLD is not among them, without
// which there is no waiting, nor SIGURG, which is the Go runtime's and is ignored
// by default.
func ignoreForChild() {
	for n := syscall.Signal(1); n < 65; n++ {
		if C.was_ignored(C.int(n)) != 0 && n != syscall.SIGCHLD && n != syscall.SIGURG {
			signal.Ignore(os.Signal(n))
		}
	}
}
