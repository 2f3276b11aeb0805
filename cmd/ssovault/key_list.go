package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
)

func (a *app) keyListCommand() *cobra.Command {
	var flags tokenFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "list --token TOKEN",
		Short: "List the keys in a token",
		Long: `List shows every key with its attributes as the manual's letters, how it can leave the
token, and its check value. A check value that the token does not tell is calculated where
the key may encrypt.

` + lettersHelp,
		Example: `  ssovault key list --token hsm1
  ssovault key list --token hsm1 --json | jq -r '.[] | select(.leaves != "no") | .label'`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := a.enter(cmd.Context(), flags)
			if err != nil {
				return err
			}
			defer v.Close()
			keys, err := v.Keys(cmd.Context(), "", true)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, reportsOf(keys))
			}
			return printKeys(a.out, reportsOf(keys))
		},
	}
	flags.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (a *app) keyShowCommand() *cobra.Command {
	var o keyFlags
	c := &cobra.Command{
		Use:   "show LABEL --token TOKEN",
		Short: "Show one key",
		Example: `  ssovault key show payments --token hsm1
  ssovault key show payments --token hsm1 --json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, k, err := a.lookAtKey(cmd.Context(), o, args)
			if err != nil {
				return err
			}
			defer v.Close()
			return v.print(k, o.asJSON)
		},
	}
	o.registerID(c)
	return c
}

// lookAtKey logs in and finds the one key that a call names. The caller closes
// the visit.
func (a *app) lookAtKey(ctx context.Context, o keyFlags, args []string) (v *visit, k admin.Key, err error) {
	if err = o.name(args); err != nil {
		return nil, k, err
	}
	if v, err = a.enter(ctx, o.tokenFlags); err != nil {
		return nil, k, err
	}
	if k, err = v.key(ctx, o, true); err != nil {
		v.Close()
		return nil, k, err
	}
	return v, k, nil
}

func (a *app) keyKCVCommand() *cobra.Command {
	var o keyFlags
	c := &cobra.Command{
		Use:   "kcv LABEL --token TOKEN",
		Short: "Print a key's check value, six hexadecimal digits",
		Long: `Kcv prints the first three bytes of the encryption of a block of zeros: as the token tells
them (CKA_CHECK_VALUE), else by encrypting such a block (AES-ECB, DES3-ECB). On a pipe it
prints nothing else.`,
		Example: `  ssovault key kcv payments --token hsm1
  test "$(ssovault key kcv k --token hsm1)" = "$(ssovault key kcv k --token hsm2)"`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, k, err := a.lookAtKey(cmd.Context(), o, args)
			if err != nil {
				return err
			}
			defer v.Close()
			switch {
			case k.KCV == "":
				return fault.New(fault.Usage, "the token %s tells no check value of the key %s, and it cannot be calculated", oneLine(v.token.String()), k).
					With("it takes a secret AES or DES3 key that may encrypt (E), and AES-ECB or DES3-ECB: 'ssovault hsm mechanisms' shows whether the token offers it")
			case o.asJSON:
				return printJSON(a.out, reportOf(k))
			case term.IsTerminal(int(a.out.Fd())):
				_, err = fmt.Fprintf(a.out, "%s  %s, %s %d bits\n", k.KCV, k, k.Type, k.Bits)
			default:
				_, err = fmt.Fprintln(a.out, k.KCV)
			}
			return err
		},
	}
	o.registerID(c)
	return c
}
