package launch

import "golang.org/x/sys/unix"

// ownerBits of a umask take from a file's owner what is made for nobody else.
const ownerBits = 0o700

// givenUmask is what this process was started with, for the command that it
// becomes or starts.
var givenUmask int

// OwnerMayUse lets what this process makes be its owner's, whatever the umask says:
// a lock of mode 0 would keep everybody but root out for ever. What the umask keeps
// from others it goes on keeping. It is called once, before anything else.
func OwnerMayUse() {
	givenUmask = unix.Umask(0)
	unix.Umask(givenUmask &^ ownerBits)
}

// umaskAsGiven gives a command the umask that this process was started with.
func umaskAsGiven() {
	if givenUmask&ownerBits != 0 {
		unix.Umask(givenUmask)
	}
}
