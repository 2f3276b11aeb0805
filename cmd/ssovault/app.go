package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
	"ssovault/internal/sks/helper"
	"ssovault/internal/vault"
)

// app is what every command shares: the streams, the flags that all of them
// take, the log. It is made once, in main.
type app struct {
	in       *os.File
	out, err io.Writer
	hidden   pin.Hidden
	now      func() time.Time

	base     string
	lockWait time.Duration
	tryPIN   bool

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

func newApp(hidden pin.Hidden) *app {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, hidden: hidden, now: time.Now}
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
		return fault.Wrap(fault.Usage, err, "%s", cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.base, "base", "", "install `folder` (default $SSOVAULT_BASE, else the working directory)")
	flags.DurationVar(&a.lockWait, "lock-wait", vault.DefaultLockWait, "how long to wait for another ssovault")
	flags.BoolVar(&a.tryPIN, "try-pin", false, "log in although this PIN was refused before")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Configuration and start:"},
		&cobra.Group{ID: "edit", Title: "Settings:"},
		&cobra.Group{ID: "keep", Title: "Backup and recovery:"},
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
	group("keep", a.backupCommand(), a.restoreCommand())
	group("look", a.statusCommand(), a.doctorCommand(), a.inspectCommand(), a.supportCommand(), a.versionCommand())
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
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			return fault.Wrap(fault.Usage, check(cmd, args), "%s", cmd.CommandPath())
		}
	}
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
	return dir, fault.Wrap(fault.NotPermitted, err, "find the working directory")
}

// open opens the install folder, and from then on the log is there.
func (a *app) open(ctx context.Context, use vault.Use) (*vault.Folder, error) {
	base, err := a.baseFolder()
	if err != nil {
		return nil, err
	}
	f, err := vault.Find(base)
	if err != nil {
		return nil, err
	}
	a.logFile.path = f.Log()
	if err := f.Lock(ctx, use, a.lockWait); err != nil {
		return nil, err
	}
	return f, nil
}

// device is how commands reach the token.
func (a *app) device(f *vault.Folder) vault.Device {
	return vault.Device{Dialer: a.dialer(), PINs: a.pins(f.Layout, f.Owner.UID), TryPIN: a.tryPIN, Now: a.now}
}

func (a *app) dialer() sks.Dialer { return &helper.Client{} }

// pins reads PIN sources; a person is asked where one sits at a terminal.
func (a *app) pins(l vault.Layout, uid int) pin.Reader {
	r := pin.Reader{File: l.PINFile(), UID: uid, LookupEnv: a.hidden.Lookup}
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		tty.Close()
		r.Prompt = promptOnTerminal
	}
	return r
}

// promptOnTerminal asks without an echo.
func promptOnTerminal(ctx context.Context, question string) (secret.Value, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return secret.Value{}, err
	}
	defer tty.Close()
	state, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return secret.Value{}, err
	}
	// An interrupt must not leave the terminal without its echo.
	stop := context.AfterFunc(ctx, func() {
		_ = term.Restore(int(tty.Fd()), state)
		tty.Close()
	})
	defer stop()
	fmt.Fprintf(tty, "%s: ", question)
	b, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	if ctx.Err() != nil {
		return secret.Value{}, fault.Wrap(fault.Interrupted, ctx.Err(), "ask for the PIN")
	}
	return secret.New(b), err
}

// hideVariables starts ssovault again without the variable that holds the PIN,
// when sks.properties says that one does. It comes before anything is read
// from standard input.
func (a *app) hideVariables(s vault.SKS) error {
	if s.PIN.Kind != pin.KindEnv {
		return nil
	}
	return a.hidden.Hide(s.PIN.Arg)
}

// toTerminal tells whether standard output is one.
func (a *app) toTerminal() bool {
	f, ok := a.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
