package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// table is what one part of the measurement prints.
type table struct{ rows [][]string }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) print(w io.Writer) {
	out := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	for _, row := range t.rows {
		for _, cell := range row {
			fmt.Fprintf(out, "%s\t", cell)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out)
	_ = out.Flush() // to standard output, where nothing is left to be said
}

// median is the middle one, or the mean of the two in the middle.
func median[N time.Duration | int](values []N) N {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64) + " ms"
}

func ratio[N time.Duration | int](of, to N) string {
	return strconv.FormatFloat(float64(of)/float64(to), 'f', 2, 64)
}
