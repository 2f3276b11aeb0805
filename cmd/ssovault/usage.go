package main

import (
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
)

// usageArgs says what is wrong with a command's arguments in the words of its
// usage line, where cobra counts them. Cause Usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || !counted(err) {
			return usage(cmd, err)
		}
		wanted, optional := positional(cmd.Use)
		if cmd.HasSubCommands() && len(wanted)+optional == 0 {
			return usage(cmd, err) // a command below it that is not there
		}
		meant := "it is meant as: ssovault " + strings.TrimPrefix(strings.TrimSuffix(cmd.CommandPath(), cmd.Name()), "ssovault ") + cmd.Use
		switch {
		case len(args) < len(wanted):
			name := strings.ReplaceAll(wanted[len(args)], "|", " or ")
			return fault.New(fault.Usage, "%s: %s is missing", cmd.Name(), name).With(meant)
		case len(wanted)+optional == 0:
			return fault.New(fault.Usage, "%s takes flags only", cmd.Name()).With(meant)
		}
		return fault.New(fault.Usage, "%s: %d arguments are too many", cmd.Name(), len(args)).With(meant) // not repeated: one may be a PIN
	}
}

// counted tells whether an error is cobra's own of the number of arguments
// (cobra 1.x, args.go), and not a check of ours.
func counted(err error) bool {
	for _, begins := range []string{"accepts ", "requires ", "unknown command "} {
		if strings.HasPrefix(err.Error(), begins) {
			return true
		}
	}
	return false
}

// positional gives the names of the arguments that the first way of a usage line
// demands, and how many more there may be.
func positional(use string) (wanted []string, optional int) {
	use, _, _ = strings.Cut(use, " | ")
	words := strings.Fields(use)[1:] // less the command's own name
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case word == "[flags]", word == "--":
		case strings.HasPrefix(word, "-"):
			i++ // and its value
		case strings.HasPrefix(word, "["):
			optional++
		default:
			wanted = append(wanted, strings.TrimSuffix(word, "..."))
		}
	}
	return wanted, optional
}
