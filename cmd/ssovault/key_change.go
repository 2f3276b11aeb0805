package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

func (a *app) keySetCommand() *cobra.Command {
	var o keyFlags
	var letters string
	var yes bool
	c := &cobra.Command{
		Use:   "set LABEL --token TOKEN --attributes LETTERS",
		Short: "Change what a key may be used for",
		Long: `Set gives a modifiable key (M) the attributes LETTERS: what is missing is set, what is not
named is cleared, in one step. P, M and T that are not named stay as they are. Some ways
are closed for good: a key that is not extractable never becomes so, nor a sensitive one
readable; and P and M are fixed when a key is made. What cannot be taken back, as when X is
not named of a key that has it, is said, and the label has to be typed, or --yes said.

` + lettersHelp,
		Example: `  ssovault key set payments --token hsm1 --attributes EDM
  ssovault key set payments --token hsm1 --attributes D
  ssovault key set carried --token hsm1 --attributes ED --yes # and X no more, for good`,
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
			return a.setKey(cmd.Context(), o, want, yes)
		},
	}
	o.registerID(c)
	c.Flags().StringVar(&letters, "attributes", "", "the `letters` that the key shall have")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// changes says which attributes are to be set and cleared, and refuses by name
// those that cannot be.
func changes(k admin.Key, want hsm.Attributes) (on, off hsm.Attributes, err error) {
	const kept = hsm.Private | hsm.Modifiable | hsm.Sensitive | hsm.TrustedWrapOnly | hsm.Trusted | hsm.Past
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
nor id that are proved to have no value. They are listed first, and the token's label has
to be typed, or --yes said; --dry-run only lists them. Any other key without a name may be
somebody's: it goes only when its check value is named by --kcv, or, where it has none, with
--unproven, for which the label has to be typed in any case.

A sealing key of ssovault is not deleted: 'ssovault key retire' removes it when no file and
no known backup needs it.`,
		Example: `  ssovault key delete old --token hsm1
  ssovault key delete old --token hsm1 --yes
  ssovault key delete --unnamed --token hsm1 --dry-run
  ssovault key delete --unnamed --unproven --class private --token hsm1`,
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
			if err := notSealing(o.label); err != nil {
				return err
			}
			d := &desk{app: a, flags: o.tokenFlags, role: sks.RoleUser}
			defer d.end()
			k, t, err := d.delete(cmd.Context(), o, yes)
			if err != nil {
				return err
			}
			a.log.Info().Str("command", a.command).Str("token", t.Label).Str("serial", t.Serial).
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

// delete deletes a key, once a person has seen which one it is. The token is not
// held while somebody types.
func (d *desk) delete(ctx context.Context, o keyFlags, yes bool) (k admin.Key, t admin.Token, err error) {
	if !yes {
		err = d.with(ctx, func(v *visit) (err error) {
			t = v.token
			k, err = v.deletable(ctx, o, true)
			return err
		})
		if err != nil {
			return k, t, err
		}
		typed := o.label
		if typed == "" {
			typed = o.id
		}
		r := reportOf(k)
		what := fmt.Sprintf("The key %s, %s, %s bits, KCV %s, in the token %s will be deleted for good", k, r.Type, r.size(), r.check(), oneLine(t.String()))
		if err = d.confirmName(ctx, false, what, typed); err != nil {
			return k, t, err
		}
	}
	err = d.with(ctx, func(v *visit) error {
		now, err := v.deletable(ctx, o, false)
		if err == nil && !yes && !slices.Equal(now.ID, k.ID) {
			err = fault.New(fault.KeyAmbiguous, "the key %s is another one now", now).With("nothing was deleted; look again: 'ssovault key list'")
		}
		if err != nil {
			return err
		}
		k, t = now, v.token
		return v.Delete(ctx, k)
	})
	return k, t, err
}

// deletable finds the key that is meant, which may be named by its id alone.
func (v *visit) deletable(ctx context.Context, o keyFlags, calculate bool) (admin.Key, error) {
	k, err := v.key(ctx, o, calculate)
	if err == nil {
		err = notSealing(k.Label)
	}
	return k, err
}

// notSealing refuses a sealing key, by its label.
func notSealing(label string) error {
	if !strings.HasPrefix(label, vault.KeyLabelPrefix) {
		return nil
	}
	return fault.New(fault.Usage, "%q is a sealing key", label).With("'ssovault key retire' removes those that nothing needs")
}
