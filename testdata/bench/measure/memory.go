package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// peaks measures the greatest resident set of one start; of several processes
// it is that of the largest.
func (s scene) peaks() (*table, error) {
	t := &table{}
	t.add("memory of run, median of", "rounds", "largest process")
	for _, p := range s.programs() {
		var kib []int
		for range peakRounds {
			argv := p.run(s.plain())
			out, err := output(append([]string{s.path("peak")}, argv...))
			if err != nil {
				return nil, err
			}
			n, err := strconv.Atoi(string(bytes.TrimSpace(out)))
			if err != nil {
				return nil, err
			}
			kib = append(kib, n)
		}
		t.add(p.name, strconv.Itoa(len(kib)), fmt.Sprintf("%.1f MiB", float64(median(kib))/1024))
	}
	return t, nil
}
