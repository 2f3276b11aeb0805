//go:build !man

// ssovault lives for milliseconds on one or two threads: how much processor a
// container grants need not be read at each start, twice.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command ssovault configures an SSO connector, seals its property files with
// a key that never leaves a hardware security module, and hands them unsealed
// to the service at start. See README.md.
package main

import (
	"fmt"
	"os"

	"ssovault/internal/hsm/admin"
	"ssovault/internal/launch"
	"ssovault/internal/owner"
	"ssovault/internal/pin"
	"ssovault/internal/sks/helper"
)

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] { // each serves a PKCS#11 library to its parent, and never returns
		case helper.Argument:
			helper.Main()
		case admin.Argument:
			admin.Main()
		}
	}
	os.Exit(run())
}

// run is the program: everything that it fails for becomes text and an exit
// status here, and nowhere else.
func run() int {
	if err := owner.Undumpable(); err != nil {
		fmt.Fprintln(os.Stderr, "ssovault:", err)
		return 1
	}
	launch.OwnerMayUse()
	hidden, err := pin.TakeHidden()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ssovault:", err)
		return 1
	}
	args := translate(os.Args[1:])
	device := &helper.Client{}
	if waitedFor(commandIn(args)) {
		device.Early()
	}
	a := newApp(hidden, device)
	ctx, release := trap()
	a.release = release
	root := a.rootCommand()
	root.SetArgs(args)
	err = root.ExecuteContext(ctx)
	return a.report(err)
}

// waitedFor tells whether a service or a script waits for the command to bring
// it the settings. Then the library's process starts beside everything else.
func waitedFor(command string) bool {
	return command == "run" || command == "unseal" || command == "get"
}
