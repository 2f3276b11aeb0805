package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/backup"
	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// pruned is a line of backup prune.
type pruned struct {
	Path   string   `json:"path"`
	Keep   bool     `json:"keep"`
	Why    []string `json:"why,omitempty"`
	Damage string   `json:"damage,omitempty"`
	// Sealed is one that is encrypted, and could not be checked without its key.
	Sealed bool `json:"not_checked,omitempty"`
}

func (a *app) backupPruneCommand() *cobra.Command {
	var keys archiveKeys
	var policy backup.Policy
	var dryRun, asJSON bool
	c := &cobra.Command{
		Use:   "prune --keep-last N | --keep-daily N | --keep-weekly N | --keep-monthly N ...",
		Short: "Remove old backups from BASE/backups",
		Long: `Prune removes the backups in BASE/backups that no rule keeps, each instance by
itself: the newest N, and the newest of each of the last N days, weeks and months
in which there is one (UTC). Only files with the name that 'ssovault backup' gives
are looked at.

The last good one is never removed: before anything goes, one of those that stay is
verified, newest first; when none of them is good, the newest good one among the
others stays too. An encrypted backup whose key is not given cannot be verified: it
counts as good only where no other is. Where every backup of an instance is damaged
all of them stay, and prune says so and ends with 26.`,
		Example: `  ssovault backup prune --keep-last 3 --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !policy.Keeps() || min(policy.Last, policy.Daily, policy.Weekly, policy.Monthly) < 0 {
				return fault.New(fault.Usage, "prune needs at least one of --keep-last, --keep-daily, --keep-weekly and --keep-monthly, each a positive number")
			}
			k, err := keys.read(cmd.Context(), a)
			if err != nil {
				return err
			}
			f, err := a.open(cmd.Context(), vault.Look)
			if err != nil {
				return err
			}
			f.Close() // to verify takes its time, and data/ is not touched
			dir := backup.Folder(f.Layout)
			release, err := backup.Hold(dir)
			if err != nil {
				return err
			}
			defer release()
			all, err := backup.Stores(dir)
			if err != nil {
				return err
			}
			report, done := a.progress("verify")
			plan, err := planPrune(cmd.Context(), all, policy, k, report)
			done()
			if err != nil {
				return err
			}
			if !dryRun {
				if err := a.prune(f.Layout, plan.all); err != nil {
					return err
				}
			}
			if asJSON {
				err = printJSON(a.out, plan.all)
			} else {
				for _, p := range plan.all {
					fmt.Fprintln(a.out, p)
				}
			}
			if err == nil {
				err = plan.hopeless()
			}
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&policy.Last, "keep-last", 0, "keep the newest `N`")
	f.IntVar(&policy.Daily, "keep-daily", 0, "keep the newest of each of the last `N` days")
	f.IntVar(&policy.Weekly, "keep-weekly", 0, "keep the newest of each of the last `N` weeks")
	f.IntVar(&policy.Monthly, "keep-monthly", 0, "keep the newest of each of the last `N` months")
	f.BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	keys.flags(c)
	return c
}

func (p pruned) String() string {
	text := "remove  " + p.Path
	if p.Keep {
		text = "keep    " + p.Path + "  (" + strings.Join(p.Why, ", ") + ")"
	}
	switch {
	case p.Damage != "":
		text += "  damaged: " + p.Damage
	case p.Sealed:
		text += "  not checked: it is encrypted, and its key was not given"
	}
	return text
}

// A pruning is what becomes of each backup, newest first.
type pruning struct {
	all []pruned
	bad []string // instances of which no backup is good
}

// hopeless is the error where no good backup is left to keep.
func (p pruning) hopeless() error {
	if len(p.bad) == 0 {
		return nil
	}
	return fault.New(fault.Tampered, "every backup of instance %s is damaged; none was removed", strings.Join(p.bad, ", ")).
		With("back up now, with 'ssovault backup'")
}

// planPrune decides what stays, and makes sure that of each instance a good
// one does.
func planPrune(ctx context.Context, all []backup.Stored, policy backup.Policy, k backup.Keys, report backup.Progress) (pruning, error) {
	plan := pruning{all: []pruned{}}
	instances := map[string][]int{}
	for i, why := range policy.Choose(all) {
		plan.all = append(plan.all, pruned{Path: all[i].Path, Keep: len(why) > 0, Why: why})
		instances[all[i].Instance] = append(instances[all[i].Instance], i)
	}
	for _, instance := range slices.Sorted(maps.Keys(instances)) {
		var mine []*pruned
		for _, i := range instances[instance] {
			mine = append(mine, &plan.all[i])
		}
		slices.SortStableFunc(mine, func(x, y *pruned) int { return rank(x) - rank(y) })
		good, err := lastGood(ctx, mine, k, report)
		switch {
		case err != nil:
			return plan, err
		case good == nil:
			plan.bad = append(plan.bad, instance)
			for _, p := range mine {
				p.keep("no good one is left")
			}
		default:
			good.keep("the last good one")
		}
	}
	return plan, nil
}

// rank puts those first that stay anyway.
func rank(p *pruned) int {
	if p.Keep {
		return 0
	}
	return 1
}

func (p *pruned) keep(why string) {
	if !p.Keep {
		p.Keep, p.Why = true, []string{why}
	}
}

// lastGood gives the first that is good: verified, or, where none can be, encrypted.
// It notes what it finds of those that it reads.
func lastGood(ctx context.Context, mine []*pruned, k backup.Keys, report backup.Progress) (good *pruned, err error) {
	for _, p := range mine {
		bad, err := badArchive(ctx, p.Path, k, report)
		switch {
		case locked(err):
			p.Sealed = true
			if good == nil {
				good = p
			}
		case err != nil:
			return nil, err
		case bad == nil:
			return p, nil
		default:
			p.Damage = bad.Error()
		}
	}
	return good, nil
}

// badArchive says what is wrong with an archive. The other error is one that
// says nothing about it, as that of one which is locked: then nothing may be removed
// for its sake.
func badArchive(ctx context.Context, path string, k backup.Keys, report backup.Progress) (bad, err error) {
	file, err := openArchiveFile(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	archive, err := backup.OpenFile(file, k)
	if err == nil {
		defer archive.Close()
		err = whole(ctx, archive, report)
	}
	switch fault.Of(err) {
	case fault.Tampered, fault.Malformed, fault.NoConfiguration, fault.FileMissing, fault.KeyStoreMissing,
		fault.WrongInstance, fault.WrongKey, fault.MixedConfiguration:
		return err, nil
	}
	return nil, err
}

// locked tells whether an archive is encrypted for somebody else.
func locked(err error) bool { return errors.Is(err, backup.ErrLocked) }

// prune removes what does not stay, oldest first: after a crash what is left
// is a longer history, never a shorter one. Then it takes what is gone out of the
// register: cut off before that, a key counts as needed for longer.
func (a *app) prune(l vault.Layout, plan []pruned) (err error) {
	var gone []string
	defer func() {
		if len(gone) == 0 {
			return
		}
		if syncErr := durable.SyncFolder(backup.Folder(l)); syncErr != nil {
			err = errors.Join(err, syncErr)
			return
		}
		if forgetErr := backup.Forget(l, gone...); forgetErr != nil {
			a.warn("'ssovault key retire' still counts what was removed: " + forgetErr.Error())
		}
	}()
	for _, p := range slices.Backward(plan) {
		if p.Keep {
			continue
		}
		if err := durable.Remove(p.Path); err != nil {
			return err
		}
		gone = append(gone, p.Path)
		a.log.Info().Str("command", a.command).Str("file", filepath.Base(p.Path)).Msg("backup removed")
	}
	for _, p := range plan {
		if p.Keep && p.Damage != "" {
			a.warn(p.Path + ": " + p.Damage)
		}
	}
	return nil
}
