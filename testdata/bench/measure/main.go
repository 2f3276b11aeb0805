// Command measure times ssovault beside the smallest Go and C programs and a Java
// program that do the same, in turn within one run, and prints medians and
// their ratios. It judges nothing. bench.sh sets the scene for it.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"ssovault/internal/sks/helper"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == helper.Argument {
		helper.Main()
	}
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: measure SCENE SSOVAULT")
		os.Exit(2)
	}
	if err := measure(context.Background(), scene{folder: os.Args[1], ssovault: os.Args[2]}); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// scene is the folder that bench.sh prepared, and the program under test.
type scene struct{ folder, ssovault string }

func (s scene) path(name string) string { return filepath.Join(s.folder, name) }

// plain is an install folder on SoftHSM itself, slow the same one with a
// millisecond added to each PKCS#11 call.
func (s scene) plain() string { return s.path("plain") }
func (s scene) slow() string  { return s.path("slow") }

// Rounds: enough that the median of a machine with other work stands still.
const (
	plainRounds = 30
	slowRounds  = 15
	bulkRounds  = 15
	peakRounds  = 15
	keysRounds  = 11
)

func measure(ctx context.Context, s scene) error {
	starts, err := s.starts()
	if err != nil {
		return err
	}
	starts.print(os.Stdout)
	bulk, err := s.bulk(ctx)
	if err != nil {
		return err
	}
	bulk.print(os.Stdout)
	peaks, err := s.peaks()
	if err != nil {
		return err
	}
	peaks.print(os.Stdout)
	keys, err := s.keys()
	if err != nil {
		return err
	}
	keys.print(os.Stdout)
	keep, err := s.keep()
	if err != nil {
		return err
	}
	keep.print(os.Stdout)
	// Last, since it changes the settings.
	calls, err := s.calls()
	if err != nil {
		return err
	}
	calls.print(os.Stdout)
	return nil
}
