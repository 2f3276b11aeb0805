//go:build man

// With the tag "man" this package is another program, which writes a manual page
// for each command into the folder that is its argument (make man). The generator
// is no part of ssovault: linked into it, it would cost every start.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra/doc"

	"ssovault/internal/pin"
	"ssovault/internal/sks/helper"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "which folder do the manual pages go to?")
		os.Exit(2)
	}
	root := newApp(pin.Hidden{}, &helper.Client{}).rootCommand()
	root.DisableAutoGenTag = true // or each page would have the day of its making
	header := &doc.GenManHeader{Section: "1", Source: "ssovault", Manual: "ssovault"}
	err := os.MkdirAll(os.Args[1], 0o755)
	if err == nil {
		err = doc.GenManTree(root, header, os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "manual pages:", err)
		os.Exit(1)
	}
}
