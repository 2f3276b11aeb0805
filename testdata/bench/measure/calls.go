package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// manySettings are as many as no connector has: the calls must not grow with
// them.
const manySettings = 2000

// calls counts the PKCS#11 calls of a start, with few settings and with many.
func (s scene) calls() (*table, error) {
	t := &table{}
	t.add("PKCS#11 calls of run", "ssovault", "same calls", "Go", "C", "Java")
	count := func() error {
		settings, err := s.settings()
		if err != nil {
			return err
		}
		row := []string{fmt.Sprintf("with %d settings", settings)}
		for _, p := range s.programs() {
			n, err := s.callsOf(p.run(s.slow()))
			if err != nil {
				return err
			}
			row = append(row, strconv.FormatUint(n, 10))
		}
		t.add(row...)
		return nil
	}
	if err := count(); err != nil {
		return nil, err
	}
	if err := s.addSettings(); err != nil {
		return nil, err
	}
	return t, count()
}

func (s scene) settings() (int, error) {
	out, err := output([]string{s.ssovault, "--base", s.slow(), "unseal"})
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range bytes.Lines(out) {
		if !bytes.HasPrefix(line, []byte("#")) && bytes.Contains(line, []byte("=")) {
			n++
		}
	}
	return n, nil
}

func (s scene) addSettings() error {
	var text strings.Builder
	for i := range manySettings {
		fmt.Fprintf(&text, "setting.%d=value %d\n", i, i)
	}
	cmd := exec.Command(s.ssovault, "--base", s.slow(), "import", "--merge", "--file", "instance", "-")
	cmd.Stdin = strings.NewReader(text.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("add settings: %w\n%s", err, out)
	}
	return nil
}

// callsOf runs a program and gives how far the module's counter moved.
func (s scene) callsOf(argv []string) (uint64, error) {
	before, err := s.counter()
	if err != nil {
		return 0, err
	}
	if _, err := output(argv); err != nil {
		return 0, err
	}
	after, err := s.counter()
	return after - before, err
}

// counter reads the record of all calls: 32 bytes of name and eight of count,
// as testdata/p11fault/ledger.c writes them, "*" being the last.
func (s scene) counter() (uint64, error) {
	const name, record = 32, 40
	data, err := os.ReadFile(s.path("delay.so.count"))
	if err != nil {
		return 0, err
	}
	if len(data) < record || data[len(data)-record] != '*' {
		return 0, errors.New("the counts of the delaying module are not whole")
	}
	return binary.LittleEndian.Uint64(data[len(data)-record+name:]), nil
}
