package main

import "github.com/spf13/cobra"

// keyCommand is the group of what is done to keys in a token.
func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "key",
		Short: "Look after keys in a token",
		Example: `  ssovault key generate payments --token hsm1 --attributes EDM
  ssovault key list --token hsm1
  ssovault key retire --dry-run
  ssovault key retire`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{
		a.keyGenerateCommand(), a.keyListCommand(), a.keyShowCommand(), a.keySetCommand(), a.keyDeleteCommand(), a.keyKCVCommand(),
		a.keyComponentsCommand(), a.keyEnterCommand(), a.keyExportCommand(), a.keyImportCommand(),
		a.keyRetireCommand(),
	} {
		withExitStatus(sub)
		c.AddCommand(sub)
	}
	return c
}
