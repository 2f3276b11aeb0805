package admin

import "ssovault/internal/isolate"

// Argument is the first argument of such a process.
const Argument = "__hsm"

var protocol = isolate.Protocol{Argument: Argument}

// Main is the whole of such a process; see isolate.Protocol.Main. It never
// returns, and is to be called before anything else when Argument is the first
// argument.
func Main() {
	protocol.Main(new(server).answer)
}
