package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
)

func (a *app) hsmSlotsCommand() *cobra.Command {
	var flags tokenFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "slots",
		Short: "List the slots and their tokens, without a login",
		Example: `  ssovault hsm slots
  ssovault hsm slots --library /usr/lib/softhsm/libsofthsm2.so
  ssovault hsm slots --json | jq -r '.[].serial'`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.openChosen(cmd, flags)
			if err != nil {
				return err
			}
			defer d.Close()
			if asJSON {
				return printJSON(a.out, slotReports(d.tokens))
			}
			return printSlots(a.out, d.tokens)
		},
	}
	flags.registerLibrary(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// openChosen starts the library that is meant, for a command that is about all
// its tokens.
func (a *app) openChosen(cmd *cobra.Command, flags tokenFlags) (*device, error) {
	p, err := a.site()
	if err != nil {
		return nil, err
	}
	library, err := flags.libraryOf(p)
	if err != nil {
		return nil, err
	}
	return a.openLibrary(cmd.Context(), library, p.sks.Timeouts)
}

// slotReport is a slot as JSON shows it. Its names are relied on by scripts.
type slotReport struct {
	admin.Token
	Problem *problem `json:"problem,omitempty"`
}

func slotReports(tokens []admin.Token) []slotReport {
	all := []slotReport{}
	for _, t := range tokens {
		r := slotReport{Token: t}
		if t.Problem != nil {
			r.Problem = problemOf(t.Problem)
		}
		all = append(all, r)
	}
	return all
}

func printSlots(out io.Writer, tokens []admin.Token) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SLOT\tTOKEN\tSERIAL\tMODEL\tFIRMWARE\tINITIALISED\tPIN")
	for _, t := range tokens {
		if t.Problem != nil {
			fmt.Fprintf(w, "%d\t-\t-\t-\t-\t-\t%s\n", t.Slot, oneLine(t.Problem.Error()))
			continue
		}
		label, serial, initialised := "-", "-", "no"
		if t.Initialised {
			label, initialised = oneLine(t.Label), "yes"
		}
		if t.Serial != "" {
			serial = oneLine(t.Serial)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Slot, label, serial, oneLine(t.Model), t.Firmware, initialised, pinState(t))
	}
	return w.Flush()
}

// pinState says what the flags of a token say of its PINs.
func pinState(t admin.Token) string {
	if !t.Initialised {
		return "-"
	}
	var all []string
	say := func(holds bool, what string) {
		if holds {
			all = append(all, what)
		}
	}
	say(t.UserPINSet, "set")
	say(!t.UserPINSet, "not set")
	say(t.PINToChange, "to be changed")
	for _, p := range []struct {
		whose string
		tries sks.Tries
	}{{"", t.Tries}, {"SO ", t.SOTries}} {
		say(p.tries == sks.TriesLow, p.whose+"refused before")
		say(p.tries == sks.TriesFinal, p.whose+"LAST TRY")
		say(p.tries == sks.TriesLocked, p.whose+"LOCKED")
	}
	say(t.SOPINToChange, "SO to be changed")
	return strings.Join(all, ", ")
}

// stateReport is what hsm state prints.
type stateReport struct {
	Library  string         `json:"library"`
	About    *admin.Library `json:"about,omitempty"`
	Tokens   []slotReport   `json:"tokens"`
	Problem  *problem       `json:"problem,omitempty"`
	Problems int            `json:"problems"`
}

func (a *app) hsmStateCommand() *cobra.Command {
	var flags tokenFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "state",
		Short: "Say whether the library loads and answers, and how each token is",
		Long: `State loads the PKCS#11 library, asks it for its tokens, and shows the flags, sessions
and memory of each, without a login. It ends with the exit status of the first failure: a
library that does not load or answer (10), a slot that cannot be asked, a device that is
locked down (32), a PIN that is locked (21).`,
		Example: `  ssovault hsm state
  ssovault hsm state --json | jq .problems`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, first := a.hsmState(cmd, flags)
			if r.Library == "" {
				return first // there is nothing to report on
			}
			if asJSON {
				if err := printJSON(a.out, r); err != nil {
					return err
				}
			} else if err := r.print(a.out); err != nil {
				return err
			}
			return first
		},
	}
	flags.registerLibrary(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// hsmState gathers the report, and the first failure.
func (a *app) hsmState(cmd *cobra.Command, flags tokenFlags) (r stateReport, first error) {
	note := func(err error) {
		if r.Problems++; first == nil {
			first = err
			r.Problem = problemOf(err)
		}
	}
	p, err := a.site()
	if err == nil {
		r.Library, err = flags.libraryOf(p)
	}
	if err != nil {
		return r, err
	}
	r.Tokens = []slotReport{}
	d, err := a.openLibrary(cmd.Context(), r.Library, p.sks.Timeouts)
	if err != nil {
		note(err)
		return r, first
	}
	defer d.Close()
	r.About, r.Tokens = &d.about, slotReports(d.tokens)
	if len(d.tokens) == 0 {
		note(fault.New(fault.Unreachable, "the library %s shows no token", r.Library))
	}
	for _, t := range d.tokens {
		switch {
		case t.Problem != nil:
			note(t.Problem)
		case t.Tries == sks.TriesLocked:
			note(sks.Locked(sks.RoleUser, t.Token))
		case t.SOTries == sks.TriesLocked:
			note(sks.Locked(sks.RoleSO, t.Token))
		}
	}
	return r, first
}

func (r stateReport) print(out io.Writer) error {
	fmt.Fprintf(out, "library  %s\n", r.Library)
	if r.About == nil {
		_, err := fmt.Fprintln(out, "         it does not load, or does not answer")
		return err
	}
	fmt.Fprintf(out, "         %s, %s, version %s, PKCS#11 %s\n", oneLine(r.About.Manufacturer), oneLine(r.About.Description), r.About.Version, r.About.Cryptoki)
	for _, t := range r.Tokens {
		if t.Problem != nil {
			fmt.Fprintf(out, "slot %d   %s\n", t.Slot, t.Problem.Error)
			continue
		}
		if !t.Initialised {
			fmt.Fprintf(out, "slot %d   %s, not initialised\n", t.Slot, oneLine(t.Model))
			continue
		}
		fmt.Fprintf(out, "slot %d   %s, serial %s: %s, firmware %s\n", t.Slot, oneLine(t.Label), oneLine(t.Serial), oneLine(t.Model), t.Firmware)
		fmt.Fprintf(out, "         PIN %s\n", pinState(t.Token))
		fmt.Fprintf(out, "         sessions %s, for writing %s; memory free: public %s, private %s\n",
			count(t.Sessions, t.MaxSessions), count(t.RWSessions, t.MaxRWSessions), count(t.FreePublic, t.TotalPublic), count(t.FreePrivate, t.TotalPrivate))
	}
	return nil
}

// boundless is where limits begin that are none: tokens that have no limit tell
// the greatest number that they can, or one less (opencryptoki).
const boundless = math.MaxUint32 - 1

// count says a number and its limit, as far as the token tells them.
func count(n, most *uint) string {
	text := "not told"
	if n != nil {
		text = fmt.Sprint(*n)
	}
	if most != nil && *most > 0 && *most < boundless {
		text += fmt.Sprintf(" of %d", *most)
	}
	return text
}
