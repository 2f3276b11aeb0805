package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// generateOptions are the flags of key generate.
type generateOptions struct {
	keyFlags
	kind       string
	bits       int
	attributes string
	public     bool
	plain      bool // not sensitive
	wrapAny    bool
	replicable bool
	yes        bool
}

// generateReport is what key generate prints.
type generateReport struct {
	Made    bool `json:"made"`
	Present bool `json:"already_present"`
	keyReport
}

func (a *app) keyGenerateCommand() *cobra.Command {
	var o generateOptions
	c := &cobra.Command{
		Use:   "generate LABEL --token TOKEN",
		Short: "Make a secret key in a token",
		Long: `Generate makes a key that is private and sensitive, with the attributes that are asked for,
and shows those that it then has. A key of that label that is already there is left as it
is: "already present", exit 0; in what it differs from what was asked for is warned of,
also that the token says it was not made there (CKA_LOCAL): somebody may know its value.

` + lettersHelp + `

An extractable key (X) can be wrapped by trusted keys only; otherwise whoever has the user
PIN could wrap it under a key of his own and carry it out. --wrap-with-any allows just
that. --replicable makes a key that moves to another token under a trusted key, and in no
other way.
--public and --not-sensitive make a key without that protection; the label has to be typed
again, or --yes said.`,
		Example: `  ssovault key generate HSM_KEY_AES_ENCRYPTION_VER_13 --token hsm1 --type aes --bits 256 --attributes EDMX
  ssovault key generate --token hsm1 --label payments --replicable
  ssovault key generate --token hsm1 --label old --type des3 --bits 192 --pin-source file:/run/secrets/hsm.pin`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			if strings.HasPrefix(o.label, vault.KeyLabelPrefix) {
				return fault.New(fault.Usage, "the label %q is ssovault's own, of sealing keys", o.label).
					With("'ssovault -config' and 'ssovault rotate' make sealing keys")
			}
			k, err := o.newKey(cmd.Flags().Changed("bits"))
			if err != nil {
				return err
			}
			return a.generate(cmd.Context(), o, k)
		},
	}
	o.register(c)
	f := c.Flags()
	f.StringVar(&o.kind, "type", string(hsm.AES), "aes or des3")
	f.IntVar(&o.bits, "bits", 256, "length: 128, 192 or 256; of des3 with parity 192, or 128 for two keys")
	f.StringVar(&o.attributes, "attributes", "ED", "`letters` of the attributes, beside P and T")
	f.BoolVar(&o.public, "public", false, "not private: seen without a login")
	f.BoolVar(&o.plain, "not-sensitive", false, "not sensitive: its value can be read")
	f.BoolVar(&o.wrapAny, "wrap-with-any", false, "an extractable key may be wrapped by any key")
	f.BoolVar(&o.replicable, "replicable", false, "extractable, by trusted keys only")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	return c
}

// newKey says which key is asked for.
func (o generateOptions) newKey(bitsGiven bool) (admin.NewKey, error) {
	k := admin.NewKey{Label: o.label, Bits: o.bits}
	id := sks.NewKeyID()
	k.ID = id[:]
	var err error
	if k.Type, err = hsm.ParseKeyType(o.kind); err != nil {
		return k, fault.Wrap(fault.Usage, err, "--type")
	}
	if k.Type == hsm.DES3 && !bitsGiven {
		k.Bits = 192
	}
	if _, err := k.Type.Size(k.Bits); err != nil {
		return k, fault.Wrap(fault.Usage, err, "--bits")
	}
	if k.Attributes, err = parseLetters(o.attributes); err != nil {
		return k, err
	}
	if o.replicable {
		k.Attributes |= hsm.Extractable
	}
	clash := func(one string, with string) error {
		return fault.New(fault.Usage, "%s and %s exclude each other", one, with)
	}
	switch {
	case o.public && k.Attributes.Has(hsm.Private):
		return k, clash("--public", "the attribute P")
	case o.plain && k.Attributes.Has(hsm.Sensitive):
		return k, clash("--not-sensitive", "the attribute T")
	case o.plain && o.replicable:
		return k, clash("--not-sensitive", "--replicable")
	case o.wrapAny && o.replicable:
		return k, clash("--wrap-with-any", "--replicable")
	case o.wrapAny && !k.Attributes.Has(hsm.Extractable):
		return k, fault.New(fault.Usage, "--wrap-with-any is for a key that is extractable (X)")
	}
	if !o.public {
		k.Attributes |= hsm.Private
	}
	if !o.plain {
		k.Attributes |= hsm.Sensitive
	}
	if k.Attributes.Has(hsm.Extractable) && !o.wrapAny {
		k.Attributes |= hsm.TrustedWrapOnly
	}
	return k, nil
}

// generate makes the key unless one of that label is there.
func (a *app) generate(ctx context.Context, o generateOptions, k admin.NewKey) error {
	if o.public || o.plain {
		what := "The key would be without protection that keys should have: " + ((hsm.Private | hsm.Sensitive) &^ k.Attributes).Names()
		if err := a.confirmName(ctx, o.yes, what, o.label); err != nil {
			return err
		}
	}
	d := &desk{app: a, flags: o.tokenFlags, role: sks.RoleUser}
	defer d.end()
	var report generateReport
	var token string
	made, err := d.store(ctx, &k, func(v *visit) (admin.Key, error) {
		token = v.token.String()
		there, err := v.secretKeys(ctx, k.Label)
		if err != nil {
			return admin.Key{}, err
		}
		if report.Present = len(there) > 0; !report.Present {
			return v.Generate(ctx, k)
		}
		for _, other := range append(differences(there, k), exposed(there[0], k.Attributes)...) {
			a.warn("the key that is there is not what was asked for: " + other)
		}
		return there[0], nil
	})
	if err != nil {
		return err
	}
	report.Made, report.keyReport = !report.Present, reportOf(made)
	if o.asJSON {
		return printJSON(a.out, report)
	}
	if report.Present {
		fmt.Fprintf(a.out, "already present: %s\n", oneLine(o.label))
	} else {
		fmt.Fprintf(a.out, "generated in the token %s:\n", oneLine(token))
	}
	return report.print(a.out)
}

// differences says in what keys of a label are not the one that was asked for.
// What a token does not tell is not counted.
func differences(there []admin.Key, want admin.NewKey) (all []string) {
	if len(there) > 1 {
		all = append(all, fmt.Sprintf("there are %d of that label", len(there)))
	}
	is := there[0]
	if is.Type != "" && is.Type != string(want.Type) {
		all = append(all, "its type is "+is.Type)
	}
	if is.Bits != 0 && int(is.Bits) != want.Bits {
		all = append(all, fmt.Sprintf("it has %d bits", is.Bits))
	}
	return append(all, unlike(is.Attributes&^want.Attributes&^hsm.Past, want.Attributes&^is.Attributes&is.Known)...)
}
