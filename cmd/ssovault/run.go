package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/launch"
	"ssovault/internal/pin"
	"ssovault/internal/vault"
)

func (a *app) runCommand() *cobra.Command {
	var o struct {
		env, dir, withoutKeyStore bool
		failureCode               int
	}
	c := &cobra.Command{
		Use:   "run [flags] -- CMD [ARGS...]",
		Short: "Unseal the settings, then become the service",
		Long: `Run checks the data folder, unseals both property files with one visit to the
HSM, and becomes CMD: same process id, its signals, its exit status.

$SSOVAULT_INSTANCE and $SSOVAULT_SHARED name the settings as .properties text in
memory files that CMD inherits; they can be opened for as long as the descriptors
are. A program whose children close their descriptors takes --dir.

What fails before CMD runs leaves run/last-failure.json. 127: CMD was not found,
126: it cannot be executed.`,
		Example: `  ssovault run -- java -jar connector.jar
  ssovault run --env -- sh -c 'echo "$SSOVAULT_P_SSO_DOMAIN"'
  ssovault run --dir --failure-code 75 -- /opt/connector/bin/start`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, argv []string) error {
			if o.failureCode < 0 || o.failureCode > 255 || cmd.Flags().Changed("failure-code") && o.failureCode == 0 {
				return fault.New(fault.Usage, "--failure-code is 1 to 255, not %d", o.failureCode)
			}
			a.failed = func(err error) int { return a.leaveTrace(err, o.failureCode) }
			if _, err := a.find(); err != nil {
				return err
			}
			path, err := launch.Find(argv)
			if err != nil {
				return err
			}
			s, err := a.openSettings(cmd.Context(), access{use: vault.Read, bound: boundFor(o.withoutKeyStore)})
			if err != nil {
				return err
			}
			defer s.close()
			if s.plain, err = s.plain.WithoutRecovery(); err != nil {
				return err
			}
			env, err := a.commandEnv(s, o.env)
			if err != nil {
				return err
			}
			return a.start(cmd.Context(), s, launch.Command{Path: path, Argv: argv, Env: env}, o.dir)
		},
	}
	f := c.Flags()
	f.BoolVar(&o.env, "env", false, "also set SSOVAULT_P_<NAME> for each property")
	f.BoolVar(&o.dir, "dir", false, "stay as parent, with the settings in a folder on tmpfs")
	f.BoolVar(&o.withoutKeyStore, "without-keystore", false, "start although the key store or the metadata is missing")
	f.IntVar(&o.failureCode, "failure-code", 0, "exit with `N` for every failure of ssovault itself")
	f.SetInterspersed(false) // flags behind CMD are CMD's
	return c
}

// boundFor is what a start demands of the key store and the metadata.
func boundFor(without bool) vault.BoundCheck {
	if without {
		return vault.BoundMatch
	}
	return vault.BoundPresent
}

// commandEnv is the environment of the service: ours, less the PIN, plus the
// properties where they were asked for.
func (a *app) commandEnv(s *session, properties bool) ([]string, error) {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, launch.EnvPrefix) })
	if !properties {
		return env, nil
	}
	set, err := s.settings()
	if err != nil {
		return nil, err
	}
	add, err := launch.Variables(set.Instance, set.Shared)
	return launch.WithEnv(env, add), err
}

// start gives the settings and the process over to the command.
func (a *app) start(ctx context.Context, s *session, c launch.Command, dir bool) error {
	if s.store != nil {
		_ = s.store.Close()
		s.store = nil
	}
	if _, err := launch.HoldRunning(s.folder.Running()); err != nil {
		return err
	}
	s.folder.Close() // from here on it is .running that is held
	if there, err := durable.Exists(s.folder.LastFailure()); err != nil || there {
		if err = durable.Remove(s.folder.LastFailure()); err != nil {
			a.warn(err.Error())
		}
	}
	a.log.Info().Str("command", a.command).Str("mode", string(s.contents.Mode)).Uint64("generation", s.contents.Shared.Generation).
		Str("path", c.Path).Msg("starting the service")
	a.helper.Close() // or its process would be a child that the service does not know
	// From here on a signal ends this process as it would end the service; one that
	// came before must not be lost with the program that caught it.
	a.release()
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Interrupted, err, "start the service")
	}
	if !dir {
		return launch.Exec(c, s.plain)
	}
	status, err := launch.Supervise(c, s.plain, launch.Stdio{In: a.in, Out: os.Stdout, Err: os.Stderr})
	a.status = status
	return err
}

// lastFailure is BASE/run/last-failure.json.
type lastFailure struct {
	Time  time.Time `json:"time"`
	Cause string    `json:"cause"`
	Exit  int       `json:"exit"`
	Error string    `json:"error"`
	Hint  string    `json:"hint"`
}

// leaveTrace writes last-failure.json, unless the folder was refused or nothing of
// ours is there, and gives the exit status.
func (a *app) leaveTrace(err error, mapped int) int {
	cause := fault.Of(err)
	if cause == fault.Interrupted {
		return cause.ExitCode() // whoever stopped it knows
	}
	if layout := a.logFile.folder; layout.Base != "" && layout.InUse() {
		text, jsonErr := json.Marshal(lastFailure{Time: a.now().UTC(), Cause: cause.Letter(), Exit: cause.ExitCode(), Error: err.Error(), Hint: fault.HintFor(err)})
		if jsonErr == nil {
			jsonErr = durable.MakeFolder(layout.Run(""))
		}
		if jsonErr == nil {
			jsonErr = durable.Replace(layout.LastFailure(), append(text, '\n'))
		}
		// Another start that fails at the same time leaves its own.
		if jsonErr != nil && !errors.Is(jsonErr, fs.ErrExist) && !errors.Is(jsonErr, fs.ErrNotExist) {
			a.warn("the failure could not be recorded: " + jsonErr.Error())
		}
	}
	if mapped != 0 {
		return mapped
	}
	return cause.ExitCode()
}

func (a *app) disableCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "disable-sks",
		Short: "Unseal once more and keep the settings in the clear (-disableSKS)",
		Long: `Disable-sks, also written -disableSKS, unseals both files with the HSM one last
time and saves them in the clear, mode 0600, without sks.properties. The key stays
in the HSM, since backups need it; so does the PIN in sks.pin. On clear files it
does nothing.`,
		Example: `  ssovault -disableSKS`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.disableSKS(cmd.Context())
		},
	}
}

// disableSKS unseals once more and saves in the clear.
func (a *app) disableSKS(ctx context.Context) error {
	s, err := a.openSettings(ctx, access{use: vault.Change})
	if err != nil {
		return whatIsLeft(err)
	}
	defer s.close()
	if s.contents.Mode == vault.ModeClear {
		return nil
	}
	set, err := s.settings()
	if err != nil {
		return err
	}
	if err := s.folder.Disable(ctx, set, a.now()); err != nil {
		return err
	}
	a.warn("the settings now lie in the clear in " + s.folder.Data(""))
	if there, err := durable.Exists(s.folder.PINFile()); err == nil && there && s.contents.SKS.PIN == pin.Default {
		a.warn("the PIN stays in " + s.folder.PINFile() + ", since backups need it; delete it if it is kept elsewhere")
	}
	return nil
}

// whatIsLeft adds to the hint of a failed last unsealing which ways remain.
func whatIsLeft(err error) error {
	cause := fault.Of(err)
	if !cause.OfKeyStorage() || cause == fault.Busy || cause == fault.NoConfiguration || cause == fault.NotPermitted {
		return err
	}
	return fault.New(cause, "%v", err).With(fault.HintFor(err) +
		". Without the HSM, what is left is a backup that its key still opens, the recovery file, or a fresh 'ssovault -config -disableSKS'")
}
