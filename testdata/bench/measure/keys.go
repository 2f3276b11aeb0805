package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// keys times the list of a full token, beside a bare loop that reads the same
// attributes of every object in one call each.
func (s scene) keys() (*table, error) {
	library, err := os.ReadFile(s.path("library"))
	if err != nil {
		return nil, err
	}
	pin, err := os.ReadFile(s.path("in/token.pin"))
	if err != nil {
		return nil, err
	}
	path := strings.TrimSpace(string(library))
	lists := [][]string{
		{s.ssovault, "key", "list", "--library", path, "--token", "many", "--pin-source", "file:" + s.path("in/token.pin")},
		{s.path("keys"), "list", path},
	}
	took := make([][]time.Duration, len(lists))
	count := 0
	for round := range keysRounds + 1 {
		var lines [2]int
		for i, argv := range lists {
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+s.path("many.conf"), "XDG_STATE_HOME="+s.path("state"))
			cmd.Stdin, cmd.Stderr = bytes.NewReader(pin), os.Stderr
			begun := time.Now()
			out, err := cmd.Output()
			if round > 0 { // the first one warms the machine's caches
				took[i] = append(took[i], time.Since(begun))
			}
			if err != nil {
				return nil, fmt.Errorf("%q: %w", argv, err)
			}
			lines[i] = bytes.Count(out, []byte("\n"))
		}
		if count = lines[1]; lines[0] != count+1 { // it has a heading
			return nil, fmt.Errorf("%d lines are listed of %d keys", lines[0], count)
		}
	}
	ours, bare := median(took[0]), median(took[1])
	t := &table{}
	t.add("key list, median of", "rounds", "ssovault", "C", "ssovault/C")
	t.add(fmt.Sprintf("of %d keys", count), strconv.Itoa(keysRounds), milliseconds(ours), milliseconds(bare), ratio(ours, bare))
	return t, nil
}
