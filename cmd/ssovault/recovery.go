package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/recovery"
	"ssovault/internal/vault"
)

func (a *app) recoveryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "recovery",
		Short: "The second way to the settings, for the day on which the HSM is gone",
		Long: `Recovery init names somebody outside the server, by an age recipient or by shares
for several custodians. From then on every save also writes data/recovery.age: the
settings, encrypted to that somebody and signed from inside the sealed settings.
Recovery open brings the settings back with that identity, or with enough shares,
under a new key in a new token. It needs no old HSM.`,
		Example: `  ssovault recovery init --generate --shares 3 --threshold 2 --share-dir /media/usb
  ssovault recovery status
  ssovault recovery open --share 1.txt --share 3.txt --token new`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{a.recoveryInitCommand(), a.recoveryStatusCommand(), a.recoveryOpenCommand(), a.recoveryOffCommand()} {
		withExitStatus(sub)
		c.AddCommand(sub)
	}
	return c
}

func (a *app) recoveryOffCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "off",
		Short: "Remove the second way: one save without data/recovery.age",
		Long: `Off takes recipient and signing key out of the settings and saves them without
data/recovery.age. Backups that hold one are still opened by its identity.`,
		Example: `  ssovault recovery off --yes`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.confirm(cmd.Context(), yes, "Without it nobody opens the settings when the HSM is lost. Remove the recovery"); err != nil {
				return err
			}
			return a.change(cmd.Context(), access{}, func(_ *session, save *vault.Save) (bool, error) {
				save.DropRecovery = true
				return recovery.Remove(save.Settings.Instance), nil
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// recoveryReport is what recovery status prints as JSON, and status holds.
type recoveryReport struct {
	Who       string              `json:"who"` // who can open the settings without the HSM
	Recipient string              `json:"recipient,omitempty"`
	Signer    string              `json:"signer,omitempty"`
	Set       string              `json:"set,omitempty"`
	Threshold int                 `json:"threshold,omitempty"`
	Count     int                 `json:"count,omitempty"`
	File      vault.RecoveryState `json:"file"`
	Problem   *problem            `json:"problem,omitempty"`
}

// describePublic fills in what everybody may know.
func describePublic(p *recovery.Public, state vault.RecoveryState) recoveryReport {
	r := recoveryReport{Who: "nobody", File: state}
	if state == vault.RecoveryUnknown {
		r.Who = "whoever holds the identity that data/" + vault.RecoveryFile + " is for, or enough of its shares"
	}
	if p != nil {
		r.Who, r.Recipient, r.Signer, r.Set = p.Who(), p.Recipient, p.Signer.String(), p.Set().String()
		r.Threshold, r.Count = p.Shares.Threshold, p.Shares.Count
	}
	return r
}

// fileSays says how data/recovery.age stands.
func (r recoveryReport) fileSays() string {
	return map[vault.RecoveryState]string{
		vault.RecoveryCurrent: "of the present save",
		vault.RecoveryOther:   "damaged or not of this save: the next save writes it anew",
		vault.RecoveryMissing: "missing: the next save writes it anew",
		vault.RecoveryUnknown: "there: 'ssovault recovery open' brings the settings back",
		vault.RecoveryThere:   "there; of which save it is cannot be told while the settings are in the clear",
	}[r.File]
}

func (a *app) recoveryStatusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say who can open the settings without the HSM",
		Long: `Status says, without PIN or HSM, who can open the settings without the HSM, and
whether data/recovery.age is there and of the same save as the sealed files. It reads
sks.properties, which the last save wrote; what counts is inside the sealed settings,
and 'ssovault doctor' compares the two.`,
		Example: `  ssovault recovery status
  ssovault recovery status --json | jq -r .file`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := a.open(cmd.Context(), vault.Look)
			if err != nil {
				return err
			}
			defer f.Close()
			c, problem := f.Scan(vault.BoundMatch)
			public, state, err := f.Recovery(c)
			if problem == nil {
				problem = err
			}
			r := describePublic(public, state)
			if problem != nil {
				r.Problem = problemOf(problem)
			}
			if asJSON {
				err = printJSON(a.out, r)
			} else {
				err = r.print(a.out)
			}
			if err != nil {
				return err
			}
			return problem
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (r recoveryReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "without the HSM\t%s can open the settings\n", r.Who)
	if r.Recipient != "" {
		fmt.Fprintf(w, "recipient\t%s\nsigner\t%s\nset\t%s\n", r.Recipient, r.Signer, r.Set)
	}
	if says := r.fileSays(); says != "" {
		fmt.Fprintf(w, "data/%s\t%s\n", vault.RecoveryFile, says)
	}
	return w.Flush()
}

// notOfRecovery refuses a setting that only 'recovery init' and 'recovery off'
// change.
func notOfRecovery(key string) error {
	if !slices.Contains(recovery.Keys(), key) {
		return nil
	}
	return fault.New(fault.Usage, "%s belongs to the recovery", key).
		With("'ssovault recovery init' makes a new one, 'ssovault recovery off' removes it")
}

// sameRecovery makes sure that settings which were edited as text go on with
// the recovery that they had.
func sameRecovery(was before, now vault.Settings) error {
	for _, key := range recovery.Keys() {
		before, had := was.instance.Get(key)
		value, have := now.Instance.Get(key)
		_, misplaced := now.Shared.Get(key)
		if before != value || had != have || misplaced {
			return notOfRecovery(key)
		}
	}
	return nil
}
