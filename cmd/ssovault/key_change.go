package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/vault"
)

func (a *app) keySetCommand() *cobra.Command {
	var o keyFlags
	var letters string
	c := &cobra.Command{
		Use:   "set LABEL --token TOKEN --attributes LETTERS",
		Short: "Change what a key may be used for",
		Long: `Set gives a modifiable key (M) the attributes LETTERS: what is missing is set, what is not
named is cleared, in one step. P, M and T that are not named stay as they are. Some ways
are closed for good: a key that is not extractable never becomes so, nor a sensitive one
readable; and P and M are fixed when a key is made.

` + lettersHelp,
		Example: `  ssovault key set payments --token hsm1 --attributes EDM
  ssovault key set payments --token hsm1 --attributes D`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			if !cmd.Flags().Changed("attributes") {
				return fault.New(fault.Usage, "key set needs --attributes")
			}
			want, err := parseLetters(letters)
			if err != nil {
				return err
			}
			v, err := a.enter(cmd.Context(), o.tokenFlags)
			if err != nil {
				return err
			}
			defer v.Close()
			k, err := v.key(cmd.Context(), o, false)
			if err != nil {
				return err
			}
			on, off, err := changes(k, want)
			if err != nil {
				return err
			}
			if on&takesApart != 0 {
				if err := v.noTwin(cmd.Context(), on, k.KCV); err != nil {
					return err
				}
			}
			if k, err = v.Set(cmd.Context(), k, on, off); err != nil {
				return err
			}
			a.log.Info().Str("command", a.command).Str("token", v.token.Label).Str("serial", v.token.Serial).
				Str("label", k.Label).Str("attributes", k.Attributes.String()).Msg("key changed")
			return v.print(k, o.asJSON)
		},
	}
	o.registerID(c)
	c.Flags().StringVar(&letters, "attributes", "", "the `letters` that the key shall have")
	return c
}

// changes says which attributes are to be set and cleared, and refuses by name
// those that cannot be.
func changes(k admin.Key, want hsm.Attributes) (on, off hsm.Attributes, err error) {
	const kept = hsm.Private | hsm.Modifiable | hsm.Sensitive | hsm.TrustedWrapOnly | hsm.Trusted
	on, off = want&^k.Attributes, k.Attributes&^want&^kept
	closed := on & (hsm.Private | hsm.Modifiable | hsm.Extractable)
	switch {
	case closed != 0:
		return 0, 0, fault.New(fault.Usage, "the key %s cannot get %s: that is fixed when a key is made", k, closed.Names())
	case on|off != 0 && k.Known.Has(hsm.Modifiable) && !k.Attributes.Has(hsm.Modifiable):
		return 0, 0, fault.New(fault.Usage, "the key %s was made unmodifiable: its attributes never change", k)
	}
	return on, off, nil
}

func (a *app) keyDeleteCommand() *cobra.Command {
	var o keyFlags
	var u unnamedFlags
	var yes bool
	c := &cobra.Command{
		Use:   "delete LABEL --token TOKEN",
		Short: "Delete a key, for good",
		Long: `Delete removes a key from the token. Nothing brings it back but its components, an export,
a replica, or the device's own backup. The label has to be typed again, or --yes said.

--unnamed removes what a making that broke off half-way has left: keys with neither label
nor id, of which the token tells no value. They are listed first, and the token's name has
to be typed, or --yes said; --dry-run only lists them. A key without a name that has a
value may be somebody's: it goes only when its check value is named by --kcv.

A sealing key of ssovault is not deleted: 'ssovault key retire' removes it when no file and
no known backup needs it.`,
		Example: `  ssovault key delete old --token hsm1
  ssovault key delete old --token hsm1 --yes
  ssovault key delete --unnamed --token hsm1 --dry-run`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if u.unnamed {
				return a.deleteUnnamed(cmd.Context(), o, u, yes, args)
			}
			if err := u.alone(); err != nil {
				return err
			}
			if err := o.name(args); err != nil {
				return err
			}
			if strings.HasPrefix(o.label, vault.KeyLabelPrefix) {
				return fault.New(fault.Usage, "%q is a sealing key", o.label).With("'ssovault key retire' removes those that nothing needs")
			}
			ctx := cmd.Context()
			typed := o.label
			if typed == "" {
				typed = o.id
			}
			if err := a.confirmName(ctx, yes, fmt.Sprintf("The key %s will be deleted for good", o.named()), typed); err != nil {
				return err
			}
			v, err := a.enter(ctx, o.tokenFlags)
			if err != nil {
				return err
			}
			defer v.Close()
			k, err := v.key(ctx, o, false)
			if err != nil {
				return err
			}
			if strings.HasPrefix(k.Label, vault.KeyLabelPrefix) { // it was named by its id
				return fault.New(fault.Usage, "%s is a sealing key", k).With("'ssovault key retire' removes those that nothing needs")
			}
			if err := v.Delete(ctx, k); err != nil {
				return err
			}
			a.log.Info().Str("command", a.command).Str("token", v.token.Label).Str("serial", v.token.Serial).
				Str("label", k.Label).Str("key_id", reportOf(k).ID).Msg("key deleted")
			if o.asJSON {
				return printJSON(a.out, reportOf(k))
			}
			_, err = fmt.Fprintf(a.out, "deleted: %s\n", k)
			return err
		},
	}
	o.registerID(c)
	u.register(c)
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}
