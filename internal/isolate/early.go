package isolate

import "os"

// Early is a process that is started before it is known for which library, and
// whether it will be needed: it takes as long to start as its caller takes to
// read what it will ask. It may be used by one goroutine at a time.
type Early struct {
	protocol Protocol
	program  Program
	euid     int
	process  *Process // nil when it was taken, or could not be started
}

// Early starts a process. What kept it from starting is for Start to say.
func (l Protocol) Early(p Program) *Early {
	e := &Early{protocol: l, program: p, euid: os.Geteuid()}
	e.process, _ = l.spawn(p)
	return e
}

// Start is Protocol.Start, the first time with the process that is there
// already. A caller that has stepped down from root since gets a new one: no
// library is loaded as root for somebody else.
func (e *Early) Start(library string) (*Process, error) {
	if e.euid != os.Geteuid() {
		e.Discard()
	}
	if err := loadable(library); err != nil {
		return nil, err
	}
	if p := e.process; p != nil {
		e.process = nil
		return p, nil
	}
	return e.protocol.spawn(e.program)
}

// Discard ends the process, unless it was taken, and waits for its end.
func (e *Early) Discard() {
	if e.process != nil {
		e.process.Kill()
		e.process = nil
	}
}
