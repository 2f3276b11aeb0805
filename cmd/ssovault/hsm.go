package main

import "github.com/spf13/cobra"

// hsmCommand is the group of what is done to tokens.
func (a *app) hsmCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "hsm",
		Short: "Look at tokens, initialise them, change their PINs, replicate keys",
		Long: `The commands of this group, and of 'ssovault key', work on any PKCS#11 token.

The library comes from --library, a URI's module-path, $SSOVAULT_PKCS11_LIBRARY, or
data/sks.properties. --token takes a label, a serial number, a slot number or an RFC 7512
URI; without it, it is the token of data/sks.properties. PINs come from --pin-source or
the URI, the security officer's from --so-pin-source; else they are asked for. Each is
tried once.`,
		Example: `  ssovault hsm slots
  ssovault hsm init --slot 1 --label hsm2
  ssovault hsm pin change --token hsm1 --token hsm2`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{a.hsmSlotsCommand(), a.hsmStateCommand(), a.hsmMechanismsCommand(), a.hsmInitCommand(), a.hsmPINCommand(), a.ctkmuCommand(),
		a.hsmIdentityCommand(), a.hsmReplicateCommand(), a.hsmCompareCommand()} {
		withExitStatus(sub)
		c.AddCommand(sub)
	}
	return c
}
