package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ssovault/internal/durable"
	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// statusReport is what can be said without PIN or HSM. Its JSON names are
// relied on by scripts.
type statusReport struct {
	Base        string          `json:"base"`
	Mode        vault.Mode      `json:"mode"`
	Problem     *problem        `json:"problem,omitempty"`
	Instance    string          `json:"instance,omitempty"`
	Generation  uint64          `json:"generation,omitempty"`
	SaveID      string          `json:"save_id,omitempty"`
	Saved       *time.Time      `json:"saved,omitempty"`
	Key         *keyStatus      `json:"key,omitempty"`
	Rollback    string          `json:"rollback,omitempty"`
	Running     bool            `json:"running"`
	PINRefused  string          `json:"pin_refused,omitempty"`
	PINChange   string          `json:"pin_change,omitempty"`
	LastFailure *lastFailure    `json:"last_failure,omitempty"`
	PendingKey  string          `json:"pending_key,omitempty"`
	Recovery    *recoveryReport `json:"recovery,omitempty"`
	Kept        []string        `json:"kept,omitempty"`
	OpenFiles   []string        `json:"open_to_others,omitempty"`
	Leftovers   []string        `json:"clear_leftovers,omitempty"`

	UnknownKeys []vault.UnknownKey `json:"unknown_keys,omitempty"`
}

type problem struct {
	Cause string `json:"cause"`
	Exit  int    `json:"exit"`
	Error string `json:"error"`
	Hint  string `json:"hint"`
}

// modeUnknown is the mode of a folder that does not even tell how it keeps the
// settings: the journal of a save that was cut off is broken, say.
const modeUnknown vault.Mode = "unknown"

type keyStatus struct {
	Type        string `json:"type"`
	Library     string `json:"library"`
	TokenLabel  string `json:"token_label"`
	TokenSerial string `json:"token_serial"`
	Role        string `json:"role"`
	Label       string `json:"label"`
	ID          string `json:"id"`
	IV          string `json:"iv"`
	PIN         string `json:"pin"`
}

func problemOf(err error) *problem {
	c := fault.Of(err)
	return &problem{Cause: c.Letter(), Exit: c.ExitCode(), Error: err.Error(), Hint: fault.HintFor(err)}
}

func (a *app) statusCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how things stand, without PIN or HSM",
		Long: `Status reads the data folder and makes every check that needs neither PIN nor HSM.
It ends with the exit status of the first problem it finds.`,
		Example: `  ssovault status
  ssovault status --json | jq -r .generation`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := a.open(cmd.Context(), vault.Look)
			if err != nil {
				return err
			}
			defer f.Close()
			r, problem := a.gatherStatus(f)
			if asJSON {
				if err := printJSON(a.out, r); err != nil {
					return err
				}
			} else if err := r.print(a.out); err != nil {
				return err
			}
			return problem
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// gatherStatus gathers the report, and the first problem.
func (a *app) gatherStatus(f *vault.Folder) (statusReport, error) {
	r := statusReport{Base: f.Base}
	c, first := f.Scan(vault.BoundPresent)
	if first != nil {
		r.Problem = problemOf(first)
	}
	note := func(err error) {
		if err != nil && first == nil {
			first = err
			r.Problem = problemOf(err)
		}
	}
	r.Mode = c.Mode
	if c.Mode == vault.ModeNone && first != nil && fault.Of(first) != fault.NoConfiguration {
		r.Mode = modeUnknown
	}
	if c.Mode == vault.ModeSealed && c.SKS.Library != "" {
		r.Instance, r.Generation, r.SaveID = c.SKS.Instance, c.Shared.Generation, c.Shared.SaveID
		if !c.Shared.Time.IsZero() {
			r.Saved = &c.Shared.Time
		}
		r.Key = &keyStatus{c.SKS.Type, c.SKS.Library, c.SKS.Label, c.SKS.Serial, string(c.SKS.Role), c.SKS.KeyLabel, c.SKS.KeyID.String(), "", c.SKS.PIN.String()}
		if c.Shared.IV != 0 { // else the file that says so is missing or damaged
			r.Key.IV = c.Shared.IV.String()
		}
		r.UnknownKeys = c.SKS.Unknown()
		r.Rollback = "warned of"
		if c.SKS.RefuseRollback {
			r.Rollback = "refused"
		}
		if c.SKS.Role != "user" {
			r.Rollback = "rollback not detected" // a Crypto User stores no objects
		}
		if err := f.RefusedBefore(c.SKS, a.pins(f.Layout, f.Owner.UID)); err != nil {
			r.PINRefused = err.Error()
			note(err)
		}
	}
	public, state, err := f.Recovery(c)
	note(err)
	if c.Mode != vault.ModeNone || state == vault.RecoveryUnknown {
		recovery := describePublic(public, state)
		r.Recovery = &recovery
	}
	r.Running, err = f.ServiceRuns()
	note(err)
	r.OpenFiles, err = f.OpenToOthers()
	note(err)
	r.Leftovers, err = f.Leftovers()
	note(err)
	r.Kept, err = f.Kept()
	note(err)
	if c, err := f.PINChange(); err != nil {
		note(err)
	} else if c != nil {
		r.PINChange = c.Unfinished()
	}
	pending, err := f.Pending()
	note(err)
	for _, p := range pending {
		if p.KeyID != c.SKS.KeyID {
			if r.PendingKey != "" {
				r.PendingKey += ", "
			}
			r.PendingKey += fmt.Sprintf("%s in the token %s (serial %s)", p.KeyID, p.Label, p.Serial)
		}
	}
	var last lastFailure
	switch err := readJSON(f.LastFailure(), &last); {
	case err == nil:
		r.LastFailure = &last
	case !errors.Is(err, fs.ErrNotExist):
		note(err)
	}
	return r, first
}

func (r statusReport) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	line("base", r.Base)
	if r.Mode == modeUnknown {
		line("settings", "cannot be told: "+r.Problem.Error)
	}
	line("settings", map[vault.Mode]string{vault.ModeNone: "not configured", vault.ModeSealed: "sealed", vault.ModeClear: "in the clear: secure key storage is off"}[r.Mode])
	if r.Key != nil {
		line("instance", r.Instance)
		if r.Saved != nil {
			line("generation", fmt.Sprintf("%d, saved %s", r.Generation, r.Saved.Format(time.RFC3339)))
		}
		line("token", fmt.Sprintf("%s (serial %s), %s", r.Key.TokenLabel, r.Key.TokenSerial, r.Key.Type))
		line("library", r.Key.Library)
		key := fmt.Sprintf("%s (id %s)", r.Key.Label, r.Key.ID)
		if r.Key.IV != "" {
			key += ", IV by " + r.Key.IV
		}
		line("key", key)
		line("PIN from", r.Key.PIN)
		line("rollback", r.Rollback)
	}
	if r.Recovery != nil {
		text := r.Recovery.Who + " can open the settings without the HSM"
		if says := r.Recovery.fileSays(); says != "" {
			text += "; data/" + vault.RecoveryFile + " is " + says
		}
		line("recovery", text)
	}
	line("service", map[bool]string{true: "running", false: "not running"}[r.Running])
	line("PIN", r.PINRefused)
	if r.PINChange != "" {
		line("PIN change", "not finished for "+r.PINChange+"; 'ssovault hsm pin resume' goes on")
	}
	if r.LastFailure != nil {
		line("last failure", fmt.Sprintf("%s, cause (%s): %s", r.LastFailure.Time.Format(time.RFC3339), r.LastFailure.Cause, r.LastFailure.Error))
	}
	if r.PendingKey != "" {
		line("unused key", r.PendingKey+"; the next -config, rotate or migrate that uses the token removes it")
	}
	line("kept", strings.Join(r.Kept, ", "))
	line("open to others", strings.Join(r.OpenFiles, ", "))
	line("unknown", vault.UnknownText(r.UnknownKeys))
	if left := vault.LeftoverText(r.Leftovers); left != "" {
		line("left over", left+"; "+vault.LeftoverHint)
	}
	return w.Flush()
}

// readJSON reads a small file of ours.
func readJSON(path string, v any) error {
	b, err := durable.Read(path, vault.MaxSKS)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Say which ssovault this is",
		Example: `  ssovault version --json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionOf()
			if asJSON {
				return printJSON(a.out, v)
			}
			fmt.Fprintf(a.out, "ssovault %s (commit %s, %s, sealed files format %s)\n", v["version"], v["commit"], v["go"], v["format"])
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// versionOf reads what the build stamped into the program.
func versionOf() map[string]string {
	v := map[string]string{"version": "devel", "commit": "unknown", "format": fmt.Sprint(encp.Version), "program": os.Args[0]}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v["go"] = info.GoVersion
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v["version"] = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v["commit"] = s.Value
		case "CGO_ENABLED":
			v["cgo"] = s.Value
		}
	}
	return v
}
