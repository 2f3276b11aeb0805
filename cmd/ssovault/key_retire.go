package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// retireOptions are the flags of key retire.
type retireOptions struct {
	label          string
	token, library string
	yes, dryRun    bool
	ignoreMissing  bool
	newest         bool
	asJSON         bool
	keys           archiveKeys
}

// retireReport is what key retire prints. Its JSON names are relied on by
// scripts.
type retireReport struct {
	DryRun      bool         `json:"dry_run,omitempty"`
	Instance    string       `json:"instance"`
	TokenLabel  string       `json:"token_label"`
	TokenSerial string       `json:"token_serial"`
	Keys        []retiredKey `json:"keys"`
	// Gone is the key that was named, when the token has none of that name.
	Gone string `json:"gone,omitempty"`
}

type retiredKey struct {
	Label string `json:"label"`
	ID    string `json:"id"`
	// State is retired, free (it could be), or needed.
	State    string   `json:"state"`
	NeededBy []string `json:"needed_by,omitempty"`
	Hints    []string `json:"hints,omitempty"` // what could be done about that
}

func (a *app) keyRetireCommand() *cobra.Command {
	var o retireOptions
	c := &cobra.Command{
		Use:   "retire [LABEL|ID]",
		Short: "Remove sealing keys of this instance that nothing needs any more",
		Long: `Retire removes keys that a rotation or a migration left in a token, with the
certificates beside them. Without LABEL it is about all of them; the label of each has
to be typed, or --yes said.

A key stays while anything needs it: the files in data/, a kept folder (data.before-…),
a backup in BASE/backups or one that ssovault wrote or restored elsewhere. A backup that is gone
counts as needing its key unless 'ssovault backup prune' removed it, or you say
--ignore-missing-backups; an encrypted one may need any key, unless ssovault knows which
or --identity or --passphrase opens it, and so may whatever else lies in BASE/backups.
Copies that ssovault does not know of are yours to think of: no key comes back.

Before anything is removed the files in data/ are opened with their own key; and when the
token remembers a newer state of them, this is an older copy and nothing is removed
(exit 27). Settings in the clear do not say how old they are: where the token remembers
any save of the instance, --this-is-the-newest says that no other folder was saved
later; --yes does not.

--token names another token than the present one (after a migration), by label, serial or
slot number; --library and --pin-source are then that token's.`,
		Example: `  ssovault key retire --dry-run
  ssovault key retire "SSO Vault Properties 844165927558"
  ssovault key retire --token old-hsm --pin-source file:/opt/sso/sks.pin.before-config-20261122-014010`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if o.label != "" {
					return fault.New(fault.Usage, "the key is named twice: %q and --label %q", args[0], o.label)
				}
				o.label = args[0]
			}
			report, err := a.retire(cmd.Context(), o)
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(a.out, report)
			}
			return report.print(a.out)
		},
	}
	f := c.Flags()
	f.StringVar(&o.label, "label", "", "the key's `label`, or its id")
	f.StringVar(&o.token, "token", "", "the `token` that holds it (default the present one)")
	f.StringVar(&o.library, "library", "", "PKCS#11 `library` of that token (default the present one)")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say which keys could be removed, and what needs the others")
	f.BoolVar(&o.ignoreMissing, "ignore-missing-backups", false, "backups that are not where they were written to need no key")
	f.BoolVar(&o.newest, "this-is-the-newest", false, "settings in the clear: no copy of this folder was saved later")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	o.keys.flags(c)
	return c
}

// retire looks, asks, and then looks again and removes. Nothing is held while
// somebody thinks: neither the folder nor the token.
func (a *app) retire(ctx context.Context, o retireOptions) (report retireReport, err error) {
	if !o.yes && !o.dryRun && !term.IsTerminal(int(a.in.Fd())) {
		return report, fault.New(fault.Usage, "key retire asks for the label of each key to be typed, and standard input is no terminal").
			With("say --yes, or --dry-run to see which keys it is about")
	}
	if o.library != "" && o.token == "" {
		return report, fault.New(fault.Usage, "--library goes with --token")
	}
	r := retiring{app: a, retireOptions: o}
	defer r.wipe()
	if r.archives, err = o.keys.read(ctx, a); err != nil {
		return report, err
	}
	if o.yes && !o.dryRun {
		err = r.visit(ctx, vault.Change, &report, func(vault.KeyState) bool { return true })
		return report, err
	}
	if err := r.visit(ctx, vault.Look, &report, nil); err != nil || o.dryRun {
		return report, err
	}
	confirmed := map[string]bool{}
	for _, k := range report.Keys {
		if k.State == "free" {
			if confirmed[k.ID], err = a.confirmByLabel(ctx, k); err != nil {
				return report, err
			}
		}
	}
	for _, yes := range confirmed {
		if yes {
			err = r.visit(ctx, vault.Change, &report, func(k vault.KeyState) bool { return confirmed[k.ID.String()] })
			break
		}
	}
	return report, err
}

// confirmByLabel lets a person type the label of a key that is to go.
func (a *app) confirmByLabel(ctx context.Context, k retiredKey) (bool, error) {
	q, err := a.questions(ctx)
	if err != nil {
		return false, err
	}
	defer q.close()
	q.say("Nothing known needs the key %q (id %s).", k.Label, k.ID)
	answer, err := q.ask("Type its label to remove it for good (Enter leaves it)", "")
	if err != nil || answer == "" {
		return false, err
	}
	if answer != k.Label {
		return false, fault.New(fault.Usage, "that is not its label; nothing was removed")
	}
	return true, nil
}

// judged is what a key comes to in the report.
func judged(k vault.KeyState, state string) retiredKey {
	r := retiredKey{Label: k.Label, ID: k.ID.String(), State: state}
	for _, n := range k.Needs {
		r.NeededBy = append(r.NeededBy, n.String())
		if n.Advice != "" && !slices.Contains(r.Hints, n.Advice) {
			r.Hints = append(r.Hints, n.Advice)
		}
	}
	return r
}

func (r retireReport) print(w io.Writer) error {
	where := fmt.Sprintf("in the token %s (serial %s)", oneLine(r.TokenLabel), r.TokenSerial)
	if r.Gone != "" {
		_, err := fmt.Fprintf(w, "There is no key %s %s: nothing to do.\n", oneLine(r.Gone), where)
		return err
	}
	if len(r.Keys) == 0 {
		_, err := fmt.Fprintf(w, "There is no key of instance %s %s.\n", r.Instance, where)
		return err
	}
	if _, err := fmt.Fprintf(w, "Keys of instance %s %s:\n", r.Instance, where); err != nil {
		return err
	}
	for _, k := range r.Keys {
		if _, err := fmt.Fprintf(w, "  %s (id %s): %s\n", oneLine(k.Label), k.ID, k.text(r.DryRun)); err != nil {
			return err
		}
		for _, hint := range k.Hints {
			if _, err := fmt.Fprintf(w, "    %s\n", hint); err != nil {
				return err
			}
		}
	}
	return nil
}

// text says what became of the key, and why.
func (k retiredKey) text(dryRun bool) string {
	switch {
	case k.State == "needed":
		needs, more := k.NeededBy, ""
		if n := len(needs) - vault.ListedNeeds; n > 0 {
			needs, more = needs[:vault.ListedNeeds], fmt.Sprintf(" and %d more", n)
		}
		return "stays, needed by " + joined(needs) + more
	case k.State == "free" && dryRun:
		return "could be retired, nothing known needs it"
	case k.State == "free":
		return "stays, nothing known needs it"
	}
	return k.State
}

// ofToken tells whether a token is the present one.
func ofToken(c *vault.Contents, t sks.Token) bool {
	return c.Mode == vault.ModeSealed && c.SKS.Serial == t.Serial
}
