package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// program is one of the competitors: what to put before "run BASE -- CMD" or
// "unseal BASE". One in Go makes the calls that ssovault makes; one in Go and
// one in C make as few as open the settings.
type program struct {
	name   string
	run    func(base string) []string
	unseal func(base string) []string
}

// command is what a start starts: next to nothing.
const command = "/bin/true"

func (s scene) programs() []program {
	same, bare, least := s.path("same"), s.path("bare"), s.path("start")
	// The two options are the ones by which a JVM starts fastest.
	java := []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", s.path("classes"), "Start"}
	return []program{
		{"ssovault",
			func(base string) []string { return []string{s.ssovault, "--base", base, "run", "--", command} },
			func(base string) []string { return []string{s.ssovault, "--base", base, "unseal"} }},
		{"same calls",
			func(base string) []string { return []string{same, "run", base, command} },
			func(base string) []string { return []string{same, "unseal", base} }},
		{"Go",
			func(base string) []string { return []string{bare, "run", base, command} },
			func(base string) []string { return []string{bare, "unseal", base} }},
		{"C",
			func(base string) []string { return []string{least, "run", base, command} },
			func(base string) []string { return []string{least, "unseal", base} }},
		{"Java",
			func(base string) []string { return append(java[:len(java):len(java)], "run", base, command) },
			func(base string) []string { return append(java[:len(java):len(java)], "unseal", base) }},
	}
}

// starts times run and unseal, on SoftHSM itself and behind the delay.
func (s scene) starts() (*table, error) {
	t := &table{}
	t.add("start, median of", "rounds", "ssovault", "same calls", "Go", "C", "Java", "ssovault/same calls", "ssovault/Go", "ssovault/C", "Java/ssovault")
	for _, where := range []struct {
		name, base string
		rounds     int
	}{{"", s.plain(), plainRounds}, {", 1 ms a call", s.slow(), slowRounds}} {
		if err := s.agree(where.base); err != nil {
			return nil, err
		}
		for _, what := range []struct {
			name string
			argv func(program) []string
		}{
			{"run", func(p program) []string { return p.run(where.base) }},
			{"unseal", func(p program) []string { return p.unseal(where.base) }},
		} {
			took, err := inTurn(where.rounds, s.programs(), what.argv)
			if err != nil {
				return nil, err
			}
			row := []string{what.name + where.name, strconv.Itoa(where.rounds)}
			for _, d := range took {
				row = append(row, milliseconds(d))
			}
			t.add(append(row, ratio(took[0], took[1]), ratio(took[0], took[2]), ratio(took[0], took[3]), ratio(took[4], took[0]))...)
		}
	}
	return t, nil
}

// agree makes sure that all programs open the same settings, and warms the
// machine's caches.
func (s scene) agree(base string) error {
	var first []byte
	for i, p := range s.programs() {
		out, err := output(p.unseal(base))
		if err != nil {
			return err
		}
		if i == 0 {
			first = out
		}
		if len(out) == 0 || !bytes.Equal(out, first) {
			return fmt.Errorf("%s and ssovault do not unseal the same", p.name)
		}
		if _, err := output(p.run(base)); err != nil {
			return err
		}
	}
	return nil
}

// inTurn lets each program run once a round, one after the other, so that
// whatever else the machine does meets all of them.
func inTurn(rounds int, programs []program, argv func(program) []string) ([]time.Duration, error) {
	took := make([][]time.Duration, len(programs))
	for range rounds {
		for i, p := range programs {
			words := argv(p)
			cmd := exec.Command(words[0], words[1:]...)
			begun := time.Now()
			err := cmd.Run()
			took[i] = append(took[i], time.Since(begun))
			if err != nil {
				return nil, fmt.Errorf("%q: %w", words, err)
			}
		}
	}
	medians := make([]time.Duration, len(programs))
	for i := range took {
		medians[i] = median(took[i])
	}
	return medians, nil
}

// output runs a program and gives what it prints.
func output(argv []string) ([]byte, error) { return printed(exec.Command(argv[0], argv[1:]...)) }

// printed runs a command and gives what it prints; what it warns of is shown
// only where it fails.
func printed(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("%q: %w\n%s", cmd.Args, err, failed.Stderr)
	}
	return out, err
}
