package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// pinOptions are the flags of the commands that give tokens a new PIN.
type pinOptions struct {
	tokenFlags
	tokens    []string
	newSource string
	elsewhere bool
	leaveOut  []string
	reset     bool
	asJSON    bool
}

// pinReport is what they print. Its JSON names are relied on by scripts.
type pinReport struct {
	Tokens []tokenName `json:"tokens"`
	// Source is the stored source that has the new PIN too.
	Source  string `json:"source,omitempty"`
	Nothing bool   `json:"nothing_to_do,omitempty"`
}

type tokenName struct {
	Label  string `json:"label"`
	Serial string `json:"serial"`
}

const pinHelp = `

The new PIN is synced to BASE/run/pin-change.pin (mode 0600) before the first token is
asked, with a journal of how far each has come; both go when all is done. Without an
install folder they lie in $XDG_STATE_HOME/ssovault (~/.local/state/ssovault). Whatever
cuts the change off, 'ssovault hsm pin resume' finishes it: each token is tried with the
new PIN, then with the old one, and a PIN that it refused is not tried again. Until then a
start does not log in to a token of which it is not known which PIN it has (22).

The stored source of sks.properties follows, where it is a file. Another one (credential:,
command:, env:, fd:) cannot be written: the change is refused, unless
--source-updated-elsewhere says that it has the new PIN, or will before the next start.`

func (a *app) hsmPINCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "pin",
		Short: "Change, reset, or go on changing the user PIN of tokens",
		Example: `  ssovault hsm pin change --token hsm1
  ssovault hsm pin resume`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{a.hsmPINChangeCommand(), a.hsmPINResetCommand(), a.hsmPINResumeCommand()} {
		withExitStatus(sub)
		c.AddCommand(sub)
	}
	return c
}

func (o *pinOptions) register(c *cobra.Command) {
	o.registerLibrary(c)
	c.Flags().StringVar(&o.newSource, "new-pin-source", "", "take the new PIN from this `source` (default: asked twice)")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
}

func (a *app) hsmPINChangeCommand() *cobra.Command {
	var o pinOptions
	c := &cobra.Command{
		Use:   "change --token TOKEN [--token TOKEN…]",
		Short: "Change the user PIN of one token, or of several that have the same",
		Long:  "Change gives one token, or several that share a PIN, a new user PIN." + pinHelp,
		Example: `  ssovault hsm pin change --token hsm1
  ssovault hsm pin change --token hsm1 --token hsm2 --pin-source file --new-pin-source file:/run/secrets/new.pin`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.beginPIN(cmd.Context(), o) },
	}
	o.register(c)
	c.Flags().StringArrayVar(&o.tokens, "token", nil, "a `token`: label, serial number, slot number or pkcs11: URI (default that of sks.properties)")
	c.Flags().BoolVar(&o.elsewhere, "source-updated-elsewhere", false, "whoever keeps the stored source gives it the new PIN")
	return c
}

func (a *app) hsmPINResetCommand() *cobra.Command {
	o := pinOptions{reset: true}
	c := &cobra.Command{
		Use:   "reset --token TOKEN",
		Short: "Give a token a new user PIN, as its security officer",
		Long:  "Reset lets the security officer set a user PIN: a first one, or one in place of a PIN that is\nlocked or lost." + pinHelp,
		Example: `  ssovault hsm pin reset --token hsm1
  ssovault hsm pin reset --token hsm1 --so-pin-source file:so.pin --new-pin-source file:new.pin`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.beginPIN(cmd.Context(), o) },
	}
	o.register(c)
	o.registerSO(c)
	c.Flags().StringArrayVar(&o.tokens, "token", nil, "the `token`: label, serial number, slot number or pkcs11: URI (default that of sks.properties)")
	c.Flags().BoolVar(&o.elsewhere, "source-updated-elsewhere", false, "whoever keeps the stored source gives it the new PIN")
	return c
}

// noWords refuses whatever stands beside the flags of a command, and does not
// repeat it: it may be a PIN.
func noWords(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("it takes flags only; PINs never stand on a command line")
	}
	return nil
}
