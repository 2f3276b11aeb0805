package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"ssovault/internal/fault"
	"ssovault/internal/launch"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
	"ssovault/internal/vault"
)

// app is what every command shares: the streams, the flags that all of them
// take, the log. It is made once, in main.
type app struct {
	in     *os.File
	out    *output
	err    io.Writer
	hidden pin.Hidden
	helper *helper.Client
	// release gives signals back their default; see trap.
	release func()
	now     func() time.Time

	base     string
	lockWait time.Duration
	tryPIN   bool
	// pinSource stands in for sks.pin in this one call.
	pinSource string

	log     zerolog.Logger
	logFile *logFile
	command string // of the log line: "run"
	// failed is told of a failure before it is reported; run leaves a trace
	// for whoever looks next, and may map the exit code.
	failed func(error) (exitCode int)
	// status is the exit code of a command that succeeded by passing on
	// another program's.
	status int
}

func newApp(hidden pin.Hidden, device *helper.Client) *app {
	a := &app{in: os.Stdin, out: &output{File: os.Stdout}, err: os.Stderr, hidden: hidden, helper: device, now: time.Now}
	a.logFile = &logFile{fallback: a.err}
	a.log = zerolog.New(a.logFile).With().Timestamp().Logger()
	zerolog.TimestampFunc = func() time.Time { return a.now().UTC() }
	return a
}

// rootCommand puts the commands together.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "ssovault",
		Short: "Seal an SSO connector's settings with a key in an HSM, and hand them to the service at start",
		Long: `Ssovault configures an SSO connector, seals its property files with a key that never leaves
an HSM, hands them unsealed to the service at start, and brings everything back when the
server, the files or the HSM are lost.`,
		Example: `  ssovault -config                        # the dialog: settings, key, sealing
  ssovault run -- /opt/connector/bin/start # unseal, then become the service
  ssovault set admin_port=8081             # one change, one save
  ssovault doctor                          # what is the matter?`,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.command = strings.TrimPrefix(cmd.CommandPath(), "ssovault ")
		},
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetIn(a.in)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(cmd, err)
	})
	withExitStatus(root)
	flags := root.PersistentFlags()
	flags.StringVar(&a.base, "base", "", "install `folder` (default $SSOVAULT_BASE, else the working directory)")
	flags.DurationVar(&a.lockWait, "lock-wait", vault.DefaultLockWait, "how long to wait for another ssovault")
	flags.BoolVar(&a.tryPIN, "try-pin", false, "log in although this PIN was refused before")
	flags.StringVar(&a.pinSource, "pin-source", "", "take the PIN from this `source` instead, this once (prompt, file:PATH …)")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Configuration and start:"},
		&cobra.Group{ID: "edit", Title: "Settings:"},
		&cobra.Group{ID: "keep", Title: "Backup and recovery:"},
		&cobra.Group{ID: "hsm", Title: "Tokens and keys:"},
		&cobra.Group{ID: "look", Title: "When something is the matter:"},
	)
	group := func(id string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = id
			withExitStatus(c)
			root.AddCommand(c)
		}
	}
	group("start", a.configCommand(), a.runCommand(), a.unsealCommand(), a.disableCommand(), a.acceptCommand())
	group("edit", a.getCommand(), a.setCommand(), a.unsetCommand(), a.showCommand(), a.editCommand(),
		a.exportCommand(), a.importCommand(), a.diffCommand())
	group("keep", a.backupCommand(), a.restoreCommand(), a.recoveryCommand(), a.rotateCommand(), a.migrateCommand())
	group("hsm", a.hsmCommand(), a.keyCommand(), a.explainCommand())
	group("look", a.statusCommand(), a.doctorCommand(), a.inspectCommand(), a.supportCommand(), a.versionCommand())
	a.completeTokens(root)
	return root
}

// withExitStatus ends a command's help with the exit codes, and makes what
// cobra refuses by itself a matter of usage (2).
func withExitStatus(c *cobra.Command) {
	c.Long += `

Exit status: 0 done; 2 usage; 10-16 causes (a) to (g); 20-22 PIN refused, locked,
unavailable; 23-29 key or files do not fit; 30 not permitted; 31 another ssovault
holds the lock; 32 the HSM has locked itself down; 130 interrupted; 1 anything
else. docs/operating.md explains each with its remedy.`
	c.Long = strings.TrimSpace(c.Long)
	c.Args = usageArgs(c.Args)
}

// usage gives what cobra refuses its cause and its command.
func usage(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		err = unknownFlag(cmd, unknown)
	}
	if cmd.HasParent() {
		return fault.Wrap(fault.Usage, err, "%s", cmd.Name())
	}
	return fault.Wrap(fault.Usage, err, "")
}

// baseFolder is the install folder that this call is about.
func (a *app) baseFolder() (string, error) {
	if a.base != "" {
		return a.base, nil
	}
	if env := os.Getenv("SSOVAULT_BASE"); env != "" {
		return env, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", (&fault.Error{Op: "find the working directory", Cause: fault.NotPermitted, Err: err}).
			With("go to a folder that is there, or name the install folder with --base or $SSOVAULT_BASE")
	}
	return dir, nil
}

// find finds the install folder, and from then on the log is there.
func (a *app) find() (*vault.Folder, error) {
	base, err := a.baseFolder()
	if err != nil {
		return nil, err
	}
	f, err := vault.Find(base)
	if err == nil {
		a.logFile.folder = f.Layout
	}
	return f, err
}

// open finds the install folder and locks it for a use.
func (a *app) open(ctx context.Context, use vault.Use) (*vault.Folder, error) {
	if a.lockWait < 0 {
		return nil, fault.New(fault.Usage, "--lock-wait %v: a wait cannot be negative", a.lockWait)
	}
	f, err := a.find()
	if err != nil {
		return nil, err
	}
	if use == vault.Change && !f.InUse() { // nothing to change, and nothing to leave behind
		if _, err := f.Scan(vault.BoundIgnored); err != nil {
			return nil, err
		}
	}
	if err := f.Lock(ctx, use, a.lockWait); err != nil {
		return nil, err
	}
	return f, nil
}

// device is how commands reach the token.
func (a *app) device(f *vault.Folder) (vault.Device, error) {
	d := vault.Device{Dialer: a.dialer(), PINs: a.pins(f.Layout, f.Owner.UID), TryPIN: a.tryPIN, Now: a.now}
	if a.pinSource == "" {
		return d, nil
	}
	source, err := pin.ParseSource(a.pinSource)
	d.Source = &source
	return d, fault.Wrap(fault.Usage, err, "--pin-source")
}

func (a *app) dialer() sks.Dialer { return a.helper }

// pins reads PIN sources; a person is asked where one sits at a terminal.
func (a *app) pins(l vault.Layout, uid int) pin.Reader {
	r := pin.Reader{File: l.PINFile(), UID: uid, LookupEnv: a.hidden.Lookup}
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		tty.Close()
		r.Prompt = promptOnTerminal
	}
	return r
}

// hideFirst is for commands that read standard input: it starts ssovault again
// without the variables that hold secrets before the first byte is read. What is
// wrong with the folder is for the command itself to find.
func (a *app) hideFirst(sources ...string) error {
	f, err := a.find()
	if err != nil {
		return err
	}
	var names []string
	for _, s := range append(sources, a.pinSource) {
		if source, err := pin.ParseSource(s); err == nil && source.Kind == pin.KindEnv {
			names = append(names, source.Arg)
		}
	}
	if c, _ := f.Scan(vault.BoundIgnored); c.SKS.PIN.Kind == pin.KindEnv {
		names = append(names, c.SKS.PIN.Arg)
	}
	return a.hide(names)
}

// hideVariables starts ssovault again without the variable that holds the PIN,
// when sks.properties or --pin-source says that one does. It comes before
// anything is read from standard input; see hideFirst.
func (a *app) hideVariables(s vault.SKS) error {
	var names []string
	instead, _ := pin.ParseSource(a.pinSource) // device says what is wrong with it
	for _, source := range []pin.Source{s.PIN, instead} {
		if source.Kind == pin.KindEnv {
			names = append(names, source.Arg)
		}
	}
	return a.hide(names)
}

// hide starts ssovault again without these variables, where they are set.
func (a *app) hide(names []string) error {
	if len(names) > 0 {
		a.helper.Close()
	}
	return a.hidden.Hide(names...)
}

// toTerminal tells whether standard output is one.
func (a *app) toTerminal() bool { return term.IsTerminal(int(a.out.Fd())) }

// output is standard output. It remembers that something could not be written,
// so that a report on a full disk is not taken for a whole one.
type output struct {
	*os.File
	failed error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := 0, error(nil)
	if launch.OutputClosed() { // the Go runtime has put /dev/null there
		err = fault.New(fault.Unclassified, "standard output is closed").With("give the command a standard output; /dev/null will do")
	} else {
		n, err = o.File.Write(b)
	}
	if err != nil && o.failed == nil {
		o.failed = err
	}
	return n, err
}
