package admin

import (
	"errors"

	"ssovault/internal/isolate"
)

// Argument is the first argument of such a process.
const Argument = "__hsm"

// ErrPartLeft says that a making failed, and that it could not be seen to whether
// it left anything.
var ErrPartLeft = errors.New("a part of it may be left in the token, without a name ('ssovault key delete --unnamed' removes such)")

var protocol = isolate.Protocol{Argument: Argument, Known: []error{ErrPartLeft}}

// Main is the whole of such a process; see isolate.Protocol.Main. It never
// returns, and is to be called before anything else when Argument is the first
// argument.
func Main() {
	protocol.Main(new(server).answer)
}
