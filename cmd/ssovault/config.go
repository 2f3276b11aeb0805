package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"ssovault/internal/answers"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
	"ssovault/internal/wizard"
)

// configOptions are the flags of config.
type configOptions struct {
	file         string // of answers
	domain       string // -initialize
	words        map[string]*string
	disable      bool
	newKey       bool
	replicable   bool
	printAnswers bool
	check        bool
}

func (a *app) configCommand() *cobra.Command {
	o := configOptions{words: map[string]*string{}}
	c := &cobra.Command{
		Use:   "config",
		Short: "Ask for all settings and seal them: the dialog, also 'ssovault -config'",
		Long: `Config asks for the settings of the connector, for the HSM and for the way in which
the service gets its password, makes the sealing key and saves everything in one
step. Until the last answer nothing on the disk or in the token changes; Ctrl-C or
the end of the input leaves all as it was. A second run shows the present answers
as defaults, and keeps key, instance number and secrets.

On a terminal it is a dialog. Where standard input is a pipe, each line answers one
question. With --answers, or with the words of -initialize, nobody is asked, and an
answer that cannot be taken ends it. Every key that --print-answers shows is also a
word: -sso_connect_host H -sso_ssl_port N … -key_store_password_source file:PATH.
Secrets are never taken from the command line or from the file of answers, only
from the sources that they name.`,
		Example: `  ssovault -config
  ssovault config --print-answers > answers.properties
  ssovault config --answers answers.properties --check
  ssovault config --answers answers.properties
  ssovault -initialize acme -sso_connect_host sso.acme.example -ssl_file acme.jks \
      -key_store_password_source file:/run/secrets/jks -saml_file idp.xml \
      -sks y -sks_slot 0 -sks_password_source file:/run/secrets/pin
  ssovault -config -disableSKS             # the settings lie in the clear`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.printAnswers {
				_, err := a.out.Write(answers.Template(hostname()))
				return err
			}
			if err := a.hideFirst(); err != nil {
				return err
			}
			prepared, err := a.prepared(cmd.Context(), o, cmd.Flags())
			if err != nil {
				return err
			}
			return a.configure(cmd.Context(), o, prepared)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.file, "answers", "", "take the answers from this `file`; nobody is asked")
	flags.StringVar(&o.domain, "initialize", "", "take the answers from the command line; this is the SSO `domain`")
	flags.BoolVar(&o.disable, "disable-sks", false, "keep the settings in the clear; nothing is asked about an HSM")
	flags.BoolVar(&o.replicable, "replicable", false, replicableHelp)
	flags.BoolVar(&o.newKey, "new-key", false, "make a new key although type and token stay")
	flags.BoolVar(&o.printAnswers, "print-answers", false, "print a commented file of answers with all keys and defaults")
	flags.BoolVar(&o.check, "check", false, "judge the answers as those of a first configuration, without a login; change nothing")
	for _, key := range answers.Keys() {
		o.words[key] = flags.String(key, "", answers.Describe(key))
		// They are many, and --print-answers explains them better.
		if err := flags.MarkHidden(key); err != nil {
			panic(err) // the flag was made a line above
		}
	}
	return c
}

// prepared gives the answers of a file or of the command line, or nil when
// somebody is to be asked.
func (a *app) prepared(ctx context.Context, o configOptions, flags *pflag.FlagSet) (*answers.Answers, error) {
	words := map[string]string{}
	for key, value := range o.words {
		if flags.Changed(key) {
			words[key] = *value
		}
	}
	if o.file == "" && flags.Changed("answers") {
		return nil, fault.New(fault.Usage, "--answers names no file")
	}
	if o.file == "" {
		if len(words) == 0 && !flags.Changed("initialize") {
			return nil, nil
		}
		return answers.FromWords(o.domain, words)
	}
	if len(words) > 0 || flags.Changed("initialize") {
		return nil, fault.New(fault.Usage, "--answers and the words of -initialize exclude each other")
	}
	b, err := a.readInput(ctx, o.file, answers.MaxSize)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "the file of answers")
	}
	return answers.Parse(o.file, b)
}

// configure runs the dialog with whoever answers, and logs what it came to.
func (a *app) configure(ctx context.Context, o configOptions, prepared *answers.Answers) error {
	f, err := a.open(ctx, vault.Look)
	if err != nil {
		return err
	}
	f.Close()
	if err := a.hideForConfig(f, prepared); err != nil {
		return err
	}
	pins := a.pins(f.Layout, f.Owner.UID)
	front, release, err := a.front(ctx, prepared, pins)
	if err != nil {
		return err
	}
	defer release()
	w := wizard.Wizard{
		Base: f.Base, LockWait: a.lockWait, Dialer: a.dialer(), PINs: pins,
		Now: a.now, Random: rand.Reader, Hostname: hostname(), Vendors: sks.Vendors(),
		NewKey: o.newKey, Replicable: o.replicable, DisableSKS: o.disable, TryPIN: a.tryPIN, CheckOnly: o.check, Unattended: prepared != nil,
	}
	result, err := w.Run(ctx, front)
	if err != nil || result.Checked {
		return err
	}
	event := a.log.Info().Str("command", a.command).Str("mode", string(result.Mode))
	if result.SKS != nil {
		event = event.Uint64("generation", result.Mark.Generation).Str("save_id", result.Mark.SaveID).
			Str("token", result.Token.Label).Str("serial", result.Token.Serial).
			Str("key_id", result.SKS.KeyID.String()).Bool("new_key", result.NewKey)
	}
	if result.Kept != "" {
		event = event.Str("kept", result.Kept)
	}
	event.Msg("configured")
	return nil
}

// hideForConfig takes the variables that hold secrets out of the environment:
// those that the answers name, and the one of the present configuration.
func (a *app) hideForConfig(f *vault.Folder, prepared *answers.Answers) error {
	var names []string
	if prepared != nil {
		names = prepared.Variables()
	}
	// What is wrong with the folder is for the dialog to say.
	if c, _ := f.Scan(vault.BoundMatch); c.Mode == vault.ModeSealed && c.SKS.PIN.Kind == pin.KindEnv {
		names = append(names, c.SKS.PIN.Arg)
	}
	if len(names) == 0 {
		return nil
	}
	return a.hidden.Hide(names...)
}

// front gives the dialog to prepared answers, to a person at a terminal, or to
// what is piped in; release gives the terminal back.
func (a *app) front(ctx context.Context, prepared *answers.Answers, pins pin.Reader) (front wizard.Front, release func(), err error) {
	if prepared != nil {
		return wizard.NewUnattended(ctx, prepared, pins, a.err), func() {}, nil
	}
	if term.IsTerminal(int(a.in.Fd())) {
		out, ok := a.err.(*os.File)
		if !ok || !term.IsTerminal(int(out.Fd())) {
			return nil, nil, fault.New(fault.Usage, "standard input is a terminal, but standard error, which shows the questions, is not").
				With("do not redirect standard error, or give the answers in a file")
		}
		t, err := wizard.NewTerminal(ctx, a.in, out)
		if err != nil {
			return nil, nil, errors.Join(errors.New("take over the terminal"), err)
		}
		return t, t.Close, nil
	}
	l, err := wizard.NewLines(ctx, a.in, a.err)
	if err != nil {
		return nil, nil, err
	}
	return l, l.Close, nil
}

// hostname is this machine's name, or "".
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}
