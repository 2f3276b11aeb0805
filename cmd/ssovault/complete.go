package main

import (
	"github.com/spf13/cobra"

	"ssovault/internal/sks"
)

// tokenNames are the flags that name a token.
var tokenNames = []string{"token", "to", "from", "peer"}

// completeTokens lets the shell complete the labels of tokens, for all commands
// below c that name one. It logs in nowhere, so labels of keys, which are
// private, are not completed.
func (a *app) completeTokens(c *cobra.Command) {
	for _, name := range tokenNames {
		if c.Flags().Lookup(name) != nil && c.Flags().Lookup("library") != nil {
			_ = c.RegisterFlagCompletionFunc(name, a.tokenLabels) // fails for a flag that is not there, or twice
		}
	}
	for _, sub := range c.Commands() {
		a.completeTokens(sub)
	}
}

// tokenLabels lists the tokens that the library of this call sees, with their
// serial numbers beside; none where it does not say.
func (a *app) tokenLabels(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	p, err := a.site()
	if err != nil {
		return nil, directive
	}
	flags := tokenFlags{}
	if flags.library, err = c.Flags().GetString("library"); err != nil {
		return nil, directive
	}
	library, err := flags.libraryOf(p)
	if err != nil {
		return nil, directive
	}
	tokens, err := a.dialer().Tokens(c.Context(), library, sks.DefaultTimeouts)
	if err != nil {
		return nil, directive
	}
	var labels []cobra.Completion
	for _, t := range tokens {
		if t.Initialised {
			labels = append(labels, cobra.CompletionWithDesc(t.Label, "serial "+t.Serial))
		}
	}
	return labels, directive
}
