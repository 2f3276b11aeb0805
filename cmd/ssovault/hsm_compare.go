package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
)

// How a key of one token stands to the other's.
const (
	compareSame    = "same"
	compareOther   = "different"
	compareFirst   = "only in the first"
	compareSecond  = "only in the second"
	compareUnknown = "no KCV to compare"
)

// compareReport is what hsm compare prints.
type compareReport struct {
	First  tokenName     `json:"first"`
	Second tokenName     `json:"second"`
	Keys   []comparedKey `json:"keys"`
}

type comparedKey struct {
	Label     string `json:"label"`
	ID        string `json:"id,omitempty"`
	FirstKCV  string `json:"first_kcv,omitempty"`
	SecondKCV string `json:"second_kcv,omitempty"`
	State     string `json:"state"`
}

func (a *app) hsmCompareCommand() *cobra.Command {
	var p pairFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "compare TOKEN TOKEN2",
		Short: "Compare the secret keys of two tokens by their KCVs",
		Long: `Compare lists the secret keys of both tokens by label, and says which have the same KCV,
however they got there: by replication, an export, components, or the device's own cloning.
A KCV tells keys apart for people; 24 bits are no proof against somebody who makes keys
until one fits.

Exit 24 when a label has different keys, else 13 when one of the tokens lacks a key.`,
		Example: `  ssovault hsm compare hsm1 hsm2
  ssovault hsm compare hsm1 hsm2 --json | jq '.keys[] | select(.state != "same")'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.from, p.to = args[0], args[1]
			r, err := a.compare(cmd.Context(), p)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(a.out, r)
			} else {
				err = r.print(a)
			}
			if err != nil {
				return err
			}
			return r.verdict()
		},
	}
	p.registerPINs(c, "first-pin-source", "second-pin-source")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) compare(ctx context.Context, p pairFlags) (r compareReport, err error) {
	one, two := p.both()
	first, err := a.keysOf(ctx, one, &r.First)
	if err != nil {
		return r, err
	}
	second, err := a.keysOf(ctx, two, &r.Second)
	if err != nil {
		return r, err
	}
	if r.First.Serial == r.Second.Serial {
		return r, fault.New(fault.Usage, "both are the same token: %s", r.First)
	}
	labels := map[string]bool{}
	for _, k := range slices.Concat(first, second) {
		labels[k.Label] = true
	}
	r.Keys = []comparedKey{}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		r.Keys = append(r.Keys, pairUp(of(first, label), of(second, label))...)
	}
	return r, nil
}

// keysOf lists the secret keys of a token.
func (a *app) keysOf(ctx context.Context, flags tokenFlags, name *tokenName) ([]admin.Key, error) {
	v, err := a.enter(ctx, flags)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	*name = nameOf(v.token)
	return v.secretKeys(ctx, "")
}

func of(keys []admin.Key, label string) (some []admin.Key) {
	for _, k := range keys {
		if k.Label == label {
			some = append(some, k)
		}
	}
	return some
}

// pairUp sets the keys of one label side by side: those that are the same, then
// what is left, in order.
func pairUp(first, second []admin.Key) (all []comparedKey) {
	var left []admin.Key
	for _, k := range first {
		i := slices.IndexFunc(second, func(o admin.Key) bool { return k.KCV != "" && k.KCV == o.KCV })
		if i < 0 {
			left = append(left, k)
			continue
		}
		all = append(all, comparedKey{k.Label, hex.EncodeToString(k.ID), k.KCV, second[i].KCV, compareSame})
		second = slices.Delete(slices.Clone(second), i, i+1)
	}
	for i := range max(len(left), len(second)) {
		var c comparedKey
		switch {
		case i >= len(left):
			c = comparedKey{Label: second[i].Label, ID: hex.EncodeToString(second[i].ID), SecondKCV: second[i].KCV, State: compareSecond}
		case i >= len(second):
			c = comparedKey{Label: left[i].Label, ID: hex.EncodeToString(left[i].ID), FirstKCV: left[i].KCV, State: compareFirst}
		default:
			c = comparedKey{left[i].Label, hex.EncodeToString(left[i].ID), left[i].KCV, second[i].KCV, compareOther}
			if c.FirstKCV == "" || c.SecondKCV == "" {
				c.State = compareUnknown
			}
		}
		all = append(all, c)
	}
	return all
}

func (r compareReport) print(a *app) error {
	fmt.Fprintf(a.out, "first  %s\nsecond %s\n", r.First, r.Second)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LABEL\tFIRST\tSECOND\tSTATE")
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	for _, k := range r.Keys {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", oneLine(k.Label), dash(k.FirstKCV), dash(k.SecondKCV), k.State)
	}
	return w.Flush()
}

// verdict is an error unless all keys are the same.
func (r compareReport) verdict() error {
	count := map[string]int{}
	for _, k := range r.Keys {
		count[k.State]++
	}
	switch missing := count[compareFirst] + count[compareSecond]; {
	case count[compareOther] > 0:
		return fault.New(fault.WrongKey, "%d of %d labels have different keys", count[compareOther], len(r.Keys)).
			With("find out which key the files need ('ssovault inspect'), and delete or rename the other")
	case missing > 0:
		return fault.New(fault.KeyMissing, "%d of %d keys are in one token alone", missing, len(r.Keys)).
			With("'ssovault hsm replicate' brings replicable keys over; others take their export, their components, or the device's cloning")
	case count[compareUnknown] > 0:
		return fault.New(fault.Usage, "%d of %d keys cannot be compared", count[compareUnknown], len(r.Keys)).
			With("a key that may not encrypt (E) tells no KCV on some tokens")
	}
	return nil
}
