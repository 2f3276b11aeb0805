package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ssovault/internal/pin"
	"ssovault/internal/sks/helper"
)

// Each command has a manual page, with its examples and its exit status.
func TestManPages(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "-tags", "man", ".", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
		}
		for _, part := range []string{`.SH DESCRIPTION`, `.SH EXAMPLE`, "Exit status: 0 done"} {
			if c.Runnable() && !strings.Contains(string(page), part) {
				t.Errorf("the page of %s has no %q", name, part)
			}
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newApp(pin.Hidden{}, &helper.Client{}).rootCommand())
}
