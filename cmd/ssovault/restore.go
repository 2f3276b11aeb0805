package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ssovault/internal/backup"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
	"ssovault/internal/vault"
)

// restoreOptions are the flags of restore.
type restoreOptions struct {
	keys                                       archiveKeys
	dryRun, force, acceptSKS, mustOpen, asJSON bool
}

// restoredReport is what restore prints as JSON.
type restoredReport struct {
	backup.Restored
	Path   string `json:"path"`
	DryRun bool   `json:"dry_run,omitempty"`
	// Opens: the HSM opens what was restored; Problem says why not.
	Opens   bool     `json:"opens"`
	Problem *problem `json:"problem,omitempty"`
}

func (a *app) restoreCommand() *cobra.Command {
	var o restoreOptions
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of data/, the old one is kept",
		Long: `Restore checks every byte of FILE in a folder beside data/, and only then exchanges
the two in one step. The folder that was there is kept as data.before-restore-…;
'ssovault status' lists it. Whatever happens on the way, data/ is the old one or the
new. It refuses while the service runs (--dry-run says that it does), and another
instance's backup unless --force.

A backup must not choose the code that runs or where the PIN goes: the PKCS#11
library, the role and the PIN source stay as they are here. A folder that has none
for the token of the backup asks on a terminal, or takes those of the backup with
--accept-sks.

The PIN in BASE/sks.pin is tried only on the token that this folder used: after a
migration, --pin-source file:PATH names the PIN of the token before. No later start
tries it either (22) before that PIN is put into sks.pin.

It ends with 0 once restored, with a warning when this HSM cannot open what was
restored; --must-open makes that a failure with its cause's exit status.`,
		Example: `  ssovault restore --dry-run backups/ssovault-….tar.zst
  ssovault restore --accept-sks /mnt/nas/ssovault-….tar.zst   # on a new server`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := a.openArchive(cmd.Context(), args, &o.keys)
			if err != nil {
				return err
			}
			defer archive.close()
			out := restoredReport{Path: archive.path, DryRun: o.dryRun}
			var failed error
			if o.dryRun {
				failed, err = a.tryRestore(cmd.Context(), archive, o, &out)
			} else {
				failed, err = a.restore(cmd.Context(), archive, o, &out)
			}
			if err != nil {
				return err
			}
			if failed != nil {
				out.Problem = problemOf(failed)
			}
			out.Opens = failed == nil
			if err := a.printRestored(out, o); err != nil || !o.mustOpen {
				return err
			}
			return failed
		},
	}
	f := c.Flags()
	f.BoolVar(&o.dryRun, "dry-run", false, "check everything and change nothing")
	f.BoolVar(&o.force, "force", false, "restore another instance's backup over this one")
	f.BoolVar(&o.acceptSKS, "accept-sks", false, "take library, role and PIN source from the backup")
	f.BoolVar(&o.mustOpen, "must-open", false, "fail when the HSM cannot open what was restored")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	o.keys.flags(c)
	return c
}

// printRestored says what was done.
func (a *app) printRestored(out restoredReport, o restoreOptions) error {
	for _, w := range out.Warnings {
		a.warn(w)
	}
	a.warnRecovery(out.Recovery, "; the next save writes it anew")
	if out.Problem != nil && !o.mustOpen {
		a.warn("the HSM does not open what is in the backup: " + out.Problem.Error + " (cause " + out.Problem.Cause + "); " + out.Problem.Hint)
	}
	if o.asJSON {
		return printJSON(a.out, out)
	}
	what := "restored"
	if o.dryRun {
		what = "can be restored"
	}
	if _, err := fmt.Fprintf(a.out, "%s: %s\n", what, describe(out.Manifest)); err != nil || out.Kept == "" {
		return err
	}
	_, err := fmt.Fprintf(a.out, "kept: %s\n", out.Kept)
	return err
}

// restoration is what both ways have in common.
func (a *app) restoration(ctx context.Context, f *vault.Folder, o restoreOptions) (backup.Restoration, error) {
	_, present := backup.Present(f)
	if present != nil {
		if err := a.hideVariables(*present); err != nil { // before the work, which would be done twice
			return backup.Restoration{}, err
		}
	}
	r := backup.Restoration{Folder: f, Force: o.force, Now: a.now(), Chosen: a.hideVariables, WayIn: backup.WayIn{Present: present, Accept: o.acceptSKS}}
	if term.IsTerminal(int(a.in.Fd())) {
		r.WayIn.Ask = func(archive vault.SKS) (string, pin.Source, error) { return a.askWayIn(ctx, archive) }
	}
	return r, nil
}

// tryRestore makes a dry run. The first error is that of opening.
func (a *app) tryRestore(ctx context.Context, archive *opened, o restoreOptions, out *restoredReport) (failed, err error) {
	f, err := a.open(ctx, vault.Read)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	busy := f.MustNotRun()
	if busy != nil && fault.Of(busy) != fault.Busy {
		return nil, busy
	}
	r, err := a.restoration(ctx, f, o)
	if err != nil {
		return nil, err
	}
	if err := r.Check(archive.Archive); err != nil {
		return nil, err
	}
	c, release, err := a.unpack(ctx, archive, "check")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if out.Restored, err = r.Would(archive.Archive, c); err != nil {
		return nil, err
	}
	if busy != nil {
		out.Warnings = append(out.Warnings, busy.Error()+": a restore is refused (31) until it is stopped")
	}
	if out.Access == nil {
		return nil, nil
	}
	c.SKS = *out.Access
	if err := a.foreignPIN(f, r.WayIn.Present, c.SKS); err != nil {
		return err, nil
	}
	return a.opensCopy(ctx, f, r.WayIn.Present, c), nil
}

// restore restores. The first error is that of opening what was restored.
func (a *app) restore(ctx context.Context, archive *opened, o restoreOptions, out *restoredReport) (failed, err error) {
	f, err := a.openAfresh(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.MustNotRun(); err != nil {
		return nil, err
	}
	r, err := a.restoration(ctx, f, o)
	if err != nil {
		return nil, err
	}
	report, done := a.progress("restore")
	r.Report = report
	r.Chosen = func(s vault.SKS) error {
		if err := a.hideVariables(s); err != nil {
			return err
		}
		return f.KeepPINOwner(r.WayIn.Present, s, a.pins(f.Layout, f.Owner.UID))
	}
	out.Restored, err = r.Run(ctx, archive.Archive)
	done()
	if err != nil {
		return nil, err
	}
	m := archive.Manifest
	if err := backup.Register(f.Layout, archive.path, m); err != nil {
		a.warn(unregistered(err))
	}
	a.log.Info().Str("command", a.command).Str("file", archive.path).Str("instance", m.Instance).Uint64("generation", m.Generation).
		Str("save_id", m.SaveID).Str("kept", out.Kept).Msg("restored")
	return a.opensNow(ctx, f, r.WayIn.Present), nil
}

// opensNow tells why a start from the restored folder would fail. It changes
// nothing, on the disk or in the token. before is what was there.
func (a *app) opensNow(ctx context.Context, f *vault.Folder, before *vault.SKS) error {
	c, err := f.Scan(vault.BoundPresent)
	if err != nil || c.Mode != vault.ModeSealed {
		return err
	}
	if err := a.foreignPIN(f, before, c.SKS); err != nil {
		return err
	}
	return a.opensCopy(ctx, f, before, c)
}

// opensCopy tells why a start from files that are restored, or would be, fails.
func (a *app) opensCopy(ctx context.Context, f *vault.Folder, before *vault.SKS, c *vault.Contents) error {
	plain, _, r, err := a.openCopy(ctx, f, c)
	plain.Wipe()
	if err != nil {
		return err
	}
	if r.Older {
		a.warn(r.Warning() + "; 'ssovault accept' makes it the newest")
	}
	a.warn(a.ownSource(ctx, f, before, c.SKS))
	return nil
}

// openAfresh opens the install folder for a change, even one that is beyond
// repair.
func (a *app) openAfresh(ctx context.Context) (*vault.Folder, error) {
	base, err := a.baseFolder()
	if err != nil {
		return nil, err
	}
	f, err := vault.OpenAfresh(ctx, base, a.lockWait)
	if err == nil {
		a.logFile.folder = f.Layout
	}
	return f, err
}

// warnReplaced says that another token answers to the label.
func (a *app) warnReplaced(s vault.SKS, token sks.Token) {
	if token.Replaced {
		a.warn("no token has the serial " + s.Serial + "; the token labelled " + token.Label + " (serial " + token.Serial + ") was taken in its place")
	}
}

// askWayIn asks for what a backup must not choose. The archive's own answers
// are shown, and not offered as a default.
func (a *app) askWayIn(ctx context.Context, archive vault.SKS) (library string, source pin.Source, err error) {
	q, err := a.questions(ctx)
	if err != nil {
		return "", source, err
	}
	defer q.close()
	q.say("The backup needs the token %s (serial %s) and would reach it by %s, PIN from %s.",
		oneLine(archive.Label), oneLine(archive.Serial), oneLine(archive.Library), oneLine(archive.PIN.String()))
	for library == "" {
		answer, err := q.ask("PKCS#11 library", usualLibrary(archive.Type))
		if err != nil {
			return "", source, err
		}
		info, statErr := os.Stat(answer)
		switch {
		case !filepath.IsAbs(answer):
			q.say("An absolute path, please.")
		case statErr != nil || !info.Mode().IsRegular():
			q.say("There is no file %s.", answer)
		default:
			library = answer
		}
	}
	for source.Kind == "" {
		answer, err := q.ask("How does the service get the password at start", pin.Default.String())
		if err != nil {
			return "", source, err
		}
		if source, err = pin.ParseSource(answer); err != nil {
			q.say("%v", err)
		}
	}
	return library, source, nil
}

// usualLibrary is the first usual path of a vendor's library that is there.
func usualLibrary(vendor string) string {
	for _, path := range sks.VendorNamed(vendor).Libraries {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
