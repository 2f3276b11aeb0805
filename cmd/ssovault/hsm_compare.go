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
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// How a key of one token stands to the other's.
const (
	compareSame    = "same"
	compareNamed   = "same value, another id"
	compareMeans   = "same value, other attributes"
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
	ID        string `json:"id,omitempty"` // where both have the same, or one has the key
	FirstID   string `json:"first_id,omitempty"`
	SecondID  string `json:"second_id,omitempty"`
	FirstKCV  string `json:"first_kcv,omitempty"`
	SecondKCV string `json:"second_kcv,omitempty"`
	// Differences are between keys of the same value, those too that are meant.
	Differences []string `json:"differences,omitempty"`
	State       string   `json:"state"`
}

func (a *app) hsmCompareCommand() *cobra.Command {
	var p pairFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "compare TOKEN TOKEN2",
		Short: "Compare the secret keys of two tokens by KCV, id and attributes",
		Long: `Compare lists the secret keys of both tokens by label, and says which have the same KCV,
however they got there: by replication, an export, components, or the device's own cloning.
A KCV tells keys apart for people; 24 bits are no proof against somebody who makes keys
until one fits.

Keys of the same KCV are compared further. Another id counts as a difference: the sealing
key of an install folder is found by it. So do attributes by which one may be used
otherwise, or can leave its token under any key, or be read, and the other not. What is so
by nature is only shown: a replica is not extractable, and a trusted wrapper and the key
that unwraps what it wrapped have ids of their own, and do different things.

Exit 24 when keys of a label differ, else 13 when one of the tokens lacks a key.`,
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

// alikeness tells whether two keys are alike in something.
type alikeness func(a, b admin.Key) bool

// pairUp sets the keys of one label side by side, first those that are most alike:
// of the same value and id, then of the same value and use, and so on; what is left,
// in order.
func pairUp(first, second []admin.Key) (all []comparedKey) {
	second = slices.Clone(second)
	value := func(a, b admin.Key) bool { return a.KCV != "" && a.KCV == b.KCV }
	id := func(a, b admin.Key) bool { return slices.Equal(a.ID, b.ID) }
	has := func(which hsm.Attributes) alikeness {
		return func(a, b admin.Key) bool { return (a.Attributes^b.Attributes)&a.Known&b.Known&which == 0 }
	}
	every, use, trust := has(compared), has(mayDo|hsm.Trusted), has(hsm.Trusted)
	for _, same := range [][]alikeness{
		{value, id, every}, {value, id, use}, {value, id, trust}, {value, id},
		{value, every}, {value, use}, {value, trust}, {value},
		{id, every}, {id, use}, {id, trust}, {id}, {every}, {use}, {trust},
	} {
		var left []admin.Key
		for _, k := range first {
			i := slices.IndexFunc(second, func(o admin.Key) bool {
				return !slices.ContainsFunc(same, func(in alikeness) bool { return !in(k, o) })
			})
			if i < 0 {
				left = append(left, k)
				continue
			}
			all = append(all, sideBySide(&k, &second[i]))
			second = slices.Delete(second, i, i+1)
		}
		first = left
	}
	for i := range max(len(first), len(second)) {
		var one, two *admin.Key
		if i < len(first) {
			one = &first[i]
		}
		if i < len(second) {
			two = &second[i]
		}
		all = append(all, sideBySide(one, two))
	}
	return all
}

// sideBySide compares two keys of one label, of which one may be missing.
func sideBySide(one, two *admin.Key) (c comparedKey) {
	if one != nil {
		c.Label, c.FirstID, c.FirstKCV = one.Label, hex.EncodeToString(one.ID), one.KCV
	}
	if two != nil {
		c.Label, c.SecondID, c.SecondKCV = two.Label, hex.EncodeToString(two.ID), two.KCV
	}
	switch {
	case one == nil:
		c.ID, c.State = c.SecondID, compareSecond
	case two == nil:
		c.ID, c.State = c.FirstID, compareFirst
	case c.FirstKCV == "" || c.SecondKCV == "":
		c.State = compareUnknown
	case c.FirstKCV != c.SecondKCV:
		c.State = compareOther
	default:
		var counts bool
		c.Differences, counts = meansOf(*one, *two)
		if c.FirstID != c.SecondID {
			c.Differences = append([]string{"id " + c.FirstID + " / " + c.SecondID}, c.Differences...)
		}
		switch {
		case c.FirstID != c.SecondID && !wrapperPair(*one, *two):
			c.State = compareNamed
		case counts:
			c.State = compareMeans
		default:
			c.State = compareSame
		}
	}
	if one != nil && two != nil && c.FirstID == c.SecondID {
		c.ID = c.FirstID
	}
	return c
}

// Attributes that are compared between keys of the same value.
const (
	mayDo    = hsm.Wrap | hsm.Unwrap | hsm.Derive | hsm.Encrypt | hsm.Decrypt | hsm.Sign | hsm.Verify
	compared = mayDo | hsm.Private | hsm.Modifiable | hsm.Sensitive | hsm.Extractable | hsm.TrustedWrapOnly | hsm.Trusted
)

// meansOf says which attributes one key has and the other lacks, where both
// tokens tell; and whether that is more than a replica differs from its key, or a
// trusted wrapper from its counterpart.
func meansOf(one, two admin.Key) (all []string, counts bool) {
	told := one.Known & two.Known & compared
	for _, side := range []struct {
		who  string
		more hsm.Attributes
	}{{"only the first has ", one.Attributes &^ two.Attributes & told}, {"only the second has ", two.Attributes &^ one.Attributes & told}} {
		if side.more != 0 {
			all = append(all, side.who+side.more.Names())
		}
	}
	open := func(k admin.Key) bool { how := leaves(k); return how == leavesWrapped || how == leavesPlain }
	apart := (one.Attributes ^ two.Attributes) & told
	counts = apart&hsm.Sensitive != 0 || open(one) != open(two) ||
		apart&mayDo != 0 && !wrapperPair(one, two)
	return all, counts
}

// wrapperPair tells whether one is a trusted wrapper, and the other one its
// counterpart where keys arrive: they were entered apart, to do different things.
func wrapperPair(one, two admin.Key) bool {
	return one.Attributes.Has(hsm.Trusted) != two.Attributes.Has(hsm.Trusted)
}

func (r compareReport) print(a *app) error {
	fmt.Fprintf(a.out, "first  %s\nsecond %s\n", r.First, r.Second)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LABEL\tFIRST\tSECOND\tSTATE")
	// What differs stands below, not in a column that widens every line.
	dash := func(s string) string {
		if s == "" {
			return "-"
		}
		return s
	}
	for _, k := range r.Keys {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", oneLine(k.Label), dash(k.FirstKCV), dash(k.SecondKCV), k.State)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, k := range r.Keys {
		for _, d := range k.Differences {
			fmt.Fprintf(a.out, "%s: %s\n", oneLine(k.Label), d)
		}
	}
	return nil
}

// verdict is an error unless all keys are the same.
func (r compareReport) verdict() error {
	count := map[string]int{}
	sealing := false
	for _, k := range r.Keys {
		count[k.State]++
		sealing = sealing || k.State == compareNamed && notSealing(k.Label) != nil
	}
	switch missing := count[compareFirst] + count[compareSecond]; {
	case count[compareOther] > 0:
		return fault.New(fault.WrongKey, "%d of %d labels have different keys", count[compareOther], len(r.Keys)).
			Because("the two tokens have different keys of one label").
			With("find out which key the files need ('ssovault inspect'), and delete or rename the other")
	case count[compareNamed] > 0:
		advice := "whatever finds such a key by its id does not find it in the other token; what takes it by its label does, as ssovault takes wrapping keys. To have the same id, remove one ('ssovault key delete'), and bring the other over by 'ssovault hsm replicate' or 'ssovault key import --id'"
		if sealing {
			advice = "a folder finds its sealing key by the id: remove the key of the other id ('ssovault key delete', of a sealing key 'ssovault key retire'), and bring the key in with its id, by 'ssovault hsm replicate' or 'ssovault key import --id'"
		}
		return fault.New(fault.WrongKey, "%d of %d keys have another id in the other token", count[compareNamed], len(r.Keys)).
			Because("the same key has another id in the other token").With(advice)
	case count[compareMeans] > 0:
		return fault.New(fault.WrongKey, "%d of %d keys may be used otherwise, or leave otherwise, in the other token", count[compareMeans], len(r.Keys)).
			Because("the same key has other attributes in the other token").
			With("'ssovault key show' shows each; 'ssovault key set' changes what a key may be used for")
	case missing > 0:
		return fault.New(fault.KeyMissing, "%d of %d keys are in one token alone", missing, len(r.Keys)).
			With("'ssovault hsm replicate' brings replicable keys over; others take their export, their components, or the device's cloning")
	case count[compareUnknown] > 0:
		return fault.New(fault.Usage, "%d of %d keys cannot be compared", count[compareUnknown], len(r.Keys)).
			With("a key that may not encrypt (E) tells no KCV on some tokens")
	}
	return nil
}
