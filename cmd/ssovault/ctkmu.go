package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
)

// ctkmuWord is a command of the manual's ctkmu, in our words.
type ctkmuWord struct {
	does    string
	command []string
	flags   map[byte]string // of a letter; all take a value
}

// ctkmuWords are those that are natural here; -s, -n … are the manual's letters.
var ctkmuWords = map[string]ctkmuWord{
	"c":  {"generate a key", []string{"key", "generate"}, map[byte]string{'t': "--type", 's': "--token", 'n': "--label", 'a': "--attributes", 'z': "--bits"}},
	"l":  {"list the keys", []string{"key", "list"}, map[byte]string{'s': "--token"}},
	"m":  {"change a key's attributes", []string{"key", "set"}, map[byte]string{'s': "--token", 'n': "--label", 'a': "--attributes"}},
	"d":  {"delete a key", []string{"key", "delete"}, map[byte]string{'s': "--token", 'n': "--label"}},
	"t":  {"initialise a token", []string{"hsm", "init"}, map[byte]string{'s': "--slot", 'l': "--label"}},
	"rt": {"initialise a token again", []string{"hsm", "init"}, map[byte]string{'s': "--slot", 'l': "--label"}},
	"p":  {"change the user PIN", []string{"hsm", "pin", "change"}, map[byte]string{'s': "--token"}},
}

// translateCtkmu turns "hsm ctkmu c -taes …", wherever it stands behind the
// flags of every command, into our words. What it does not understand stays as
// it is, for the command itself to refuse.
func translateCtkmu(args []string) []string {
	for i := 0; i+1 < len(args); i++ {
		switch {
		case takesValue(args[i]):
			i++
		case args[i] == "hsm" && args[i+1] == "ctkmu":
			words, err := ctkmu(args[i+2:])
			if err != nil {
				return args
			}
			return append(append([]string{}, args[:i]...), words...)
		case !isGlobal(args[i]):
			return args
		}
	}
	return args
}

// ctkmu gives a command of the manual in our words. Flags with two dashes are
// ours already. Cause Usage.
func ctkmu(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, fault.New(fault.Usage, "hsm ctkmu needs a command: c, l, m, d, t, rt or p")
	}
	word, known := ctkmuWords[args[0]]
	if !known {
		return nil, fault.New(fault.Usage, "hsm ctkmu %q: the commands are c, l, m, d, t, rt and p", args[0])
	}
	out := append([]string{}, word.command...)
	for i := 1; i < len(args); i++ {
		arg := args[i]
		if strings.HasPrefix(arg, "--") {
			out = append(out, arg)
			continue
		}
		if len(arg) < 2 || arg[0] != '-' {
			if i > 1 && strings.HasPrefix(args[i-1], "--") { // the value of a flag of ours
				out = append(out, arg)
				continue
			}
			return nil, fault.New(fault.Usage, "hsm ctkmu %s takes flags only; PINs never stand on a command line", args[0])
		}
		flag, known := word.flags[arg[1]]
		if !known {
			return nil, fault.New(fault.Usage, "hsm ctkmu %s has no flag -%c", args[0], arg[1])
		}
		value := arg[2:]
		if value == "" {
			if i++; i == len(args) {
				return nil, fault.New(fault.Usage, "hsm ctkmu %s: -%c needs a value", args[0], arg[1])
			}
			value = args[i]
		}
		if flag == "--type" && value == "des2" {
			out = append(out, "--type", "des3", "--bits", "128")
			continue
		}
		out = append(out, flag, value)
	}
	return out, nil
}

// ctkmuCommand shows the words, and refuses what translateCtkmu left.
func (a *app) ctkmuCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "ctkmu WORD [-FLAGvalue…]",
		Short: "The manual's ctkmu commands, for people who have scripts",
		Example: `  ssovault hsm ctkmu c -taes -s0 -nLABEL -aEDMX -z256
  ssovault hsm ctkmu l -s0
  ssovault hsm ctkmu p -s0`,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
				return cmd.Help()
			}
			_, err := ctkmu(args)
			return err
		},
	}
	c.Long = "Ctkmu understands these words, each with the manual's flags and any of ssovault's own:\n\n"
	for _, w := range []string{"c", "l", "m", "d", "t", "rt", "p"} {
		letters := ""
		for _, l := range "tsnazl" {
			if flag, ok := ctkmuWords[w].flags[byte(l)]; ok {
				letters += fmt.Sprintf(" -%c (%s)", l, flag)
			}
		}
		c.Long += fmt.Sprintf("  %-3s %s:%s\n", w, ctkmuWords[w].does, letters)
	}
	return c
}
