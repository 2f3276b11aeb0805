package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ssovault/internal/doctor"
	"ssovault/internal/vault"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Go through the whole checklist, from the folder to the key",
		Long: `Doctor goes through everything that a start needs, in order, and says of each
thing how it stands and what to do. It changes nothing, and logs in at most once:
not at all after a PIN was refused (see --try-pin). It ends with 0 when all is
well or only warned of, else with the exit status of the first failure.`,
		Example: `  ssovault doctor
  ssovault doctor --json | jq '.[] | select(.level != "ok")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := a.open(cmd.Context(), vault.Look)
			if err != nil {
				return err
			}
			defer f.Close()
			if c, _ := f.Scan(vault.BoundMatch); c.Mode == vault.ModeSealed {
				if err := a.hideVariables(c.SKS); err != nil {
					return err
				}
			}
			device, err := a.device(f)
			if err != nil {
				return err
			}
			d := doctor.Doctor{Folder: f, Device: device, Now: a.now(), LookupEnv: a.hidden.Lookup}
			if !asJSON {
				d.Report = func(l doctor.Line) { printLine(a.out, l) }
			}
			lines, problem := d.Run(cmd.Context())
			if asJSON {
				if err := printJSON(a.out, lines); err != nil {
					return err
				}
			}
			return problem
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printLine prints one line of the checklist, with its remedy below.
func printLine(w io.Writer, l doctor.Line) {
	fmt.Fprintf(w, "%-4s  %-12s  %s\n", l.Level, l.Check, l.Text)
	if l.Level == doctor.OK {
		return
	}
	if l.Cause != "" {
		fmt.Fprintf(w, "%20scause (%s), exit %d\n", "", l.Cause, l.Exit)
	}
	if l.Hint != "" {
		fmt.Fprintf(w, "%20s%s\n", "", l.Hint)
	}
}
