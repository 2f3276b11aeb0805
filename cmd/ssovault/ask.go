package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"ssovault/internal/fault"
)

// askOnTerminal puts a question on the terminal and gives the line that is
// typed. Ctrl-C and the end of the input break off.
func askOnTerminal(ctx context.Context, question string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "ask on the terminal")
	}
	defer tty.Close()
	stop := context.AfterFunc(ctx, func() { tty.Close() }) // ends the reading
	defer stop()
	fmt.Fprint(tty, question)
	line, err := bufio.NewReader(tty).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr)
		return "", fault.New(fault.Interrupted, "interrupted")
	case err != nil:
		return "", fault.Wrap(fault.Interrupted, err, "ask on the terminal")
	}
	return strings.TrimSpace(line), nil
}
