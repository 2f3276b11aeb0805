//go:build cgo

package launch

/*
#include <fcntl.h>

// Before the Go runtime, which opens /dev/null in the place of a closed stream.
static int output_closed;

__attribute__((constructor)) static void note_closed(void)
{
	output_closed = fcntl(1, F_GETFD) == -1;
}

static int was_closed(void) { return output_closed; }
*/
import "C"

// OutputClosed tells whether this process was started without a standard output:
// what is written there then reaches nobody.
func OutputClosed() bool { return C.was_closed() != 0 }
