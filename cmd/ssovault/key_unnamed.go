package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
)

// partAdvice is what to do about half a key.
const partAdvice = "a part of it without a name: 'ssovault key list' shows either once the token answers again, and 'ssovault key delete --unnamed' removes a part"

// unnamedFlags are those of key delete about keys that no label names.
type unnamedFlags struct {
	unnamed, unproven, dryRun bool
}

func (u *unnamedFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&u.unnamed, "unnamed", false, "delete what was half made and has no name")
	f.BoolVar(&u.unproven, "unproven", false, "with --unnamed: delete also unnamed keys without a check value, which may be somebody's; the token's label has to be typed")
	f.BoolVar(&u.dryRun, "dry-run", false, "only list what --unnamed would delete")
}

// alone refuses what is only for --unnamed.
func (u unnamedFlags) alone() error {
	if u.dryRun || u.unproven {
		return fault.New(fault.Usage, "--dry-run and --unproven go with --unnamed")
	}
	return nil
}

// unnamedReport is what key delete --unnamed prints.
type unnamedReport struct {
	DryRun bool `json:"dry_run"`
	// Of these two one is nil: what was deleted was not only looked at.
	Deleted     []keyReport `json:"deleted,omitzero"`
	WouldDelete []keyReport `json:"would_delete,omitzero"`
	// Kept are keys without a name that may be somebody's.
	Kept []keyReport `json:"kept"`
}

// meant gives which unnamed keys are meant.
func (u unnamedFlags) meant(kcv kcvFlag, yes bool) (func(admin.Key) bool, error) {
	switch {
	case kcv != "" && u.unproven:
		return nil, fault.New(fault.Usage, "--unproven is for keys without a check value: say either --kcv or --unproven")
	case kcv != "":
		return func(k admin.Key) bool { return k.KCV == string(kcv) }, nil
	case u.unproven && yes && !u.dryRun:
		return nil, fault.New(fault.Usage, "--yes does not answer for --unproven: such a key may be somebody's, and the token's label has to be typed").
			With("--dry-run lists them")
	case u.unproven:
		return func(k admin.Key) bool { return k.KCV == "" }, nil
	}
	return admin.Key.Halfway, nil
}

// deleteUnnamed deletes the keys that have neither label nor id.
func (a *app) deleteUnnamed(ctx context.Context, o keyFlags, u unnamedFlags, yes bool, args []string) error {
	if len(args) > 0 || o.label != "" || o.id != "" {
		return fault.New(fault.Usage, "--unnamed is for keys without a name: name either a key or --unnamed")
	}
	if err := checkClass(o.class); err != nil {
		return err
	}
	meant, err := u.meant(o.kcv, yes)
	if err != nil {
		return err
	}
	d := &desk{app: a, flags: o.tokenFlags, role: sks.RoleUser}
	defer d.end()
	var keys []admin.Key
	var listed admin.Token
	err = d.with(ctx, func(v *visit) (err error) {
		listed = v.token
		keys, err = v.unnamed(ctx, true)
		return err
	})
	if err != nil {
		return err
	}
	report := unnamedReport{DryRun: u.dryRun, Deleted: []keyReport{}, Kept: []keyReport{}}
	var chosen []admin.Key
	for _, k := range keys {
		if meant(k) && (o.class == "" || o.class == string(k.Class)) {
			chosen, report.Deleted = append(chosen, k), append(report.Deleted, reportOf(k))
		} else {
			report.Kept = append(report.Kept, reportOf(k))
		}
	}
	if len(chosen) == 0 && o.kcv != "" {
		return fault.New(fault.KeyMissing, "there is no key without a name of KCV %s in the token %s", o.kcv, oneLine(listed.String())).
			With("'ssovault key delete --unnamed --dry-run' lists those that are there")
	}
	if len(chosen) == 0 || u.dryRun {
		return a.printUnnamed(report, o.asJSON)
	}
	if !yes {
		if err := printKeys(a.err, report.Deleted); err != nil {
			return err
		}
	}
	what := fmt.Sprintf("%s without a name will be deleted for good from the token %s", countOf(len(chosen)), oneLine(listed.String()))
	if u.unproven {
		what += ", though one that works may be somebody's"
	}
	if err := a.confirmName(ctx, yes, what, listed.Label); err != nil {
		return err
	}
	if err := d.with(ctx, func(v *visit) error { return v.deleteChosen(ctx, chosen) }); err != nil {
		return err
	}
	return a.printUnnamed(report, o.asJSON)
}

// deleteChosen deletes as many of each kind as were listed: handles do not outlast
// a session.
func (v *visit) deleteChosen(ctx context.Context, chosen []admin.Key) error {
	there, err := v.unnamed(ctx, true)
	if err != nil {
		return err
	}
	for _, k := range chosen {
		i := slices.IndexFunc(there, func(one admin.Key) bool { return alike(one, k) })
		if i < 0 {
			return fault.New(fault.Usage, "the unnamed keys in the token %s changed meanwhile", oneLine(v.token.String())).With("look again: 'ssovault key delete --unnamed --dry-run'")
		}
		if err := v.Delete(ctx, there[i]); err != nil {
			return err
		}
		v.log.Info().Str("command", v.command).Str("token", v.token.Label).Str("serial", v.token.Serial).Str("kcv", k.KCV).Msg("unnamed key deleted")
		there = slices.Delete(there, i, i+1)
	}
	return nil
}

func (a *app) printUnnamed(r unnamedReport, asJSON bool) error {
	if asJSON {
		if r.DryRun {
			r.Deleted, r.WouldDelete = nil, r.Deleted
		}
		return printJSON(a.out, r)
	}
	done := "deleted"
	if r.DryRun {
		done = "would be deleted"
	}
	for _, part := range []struct {
		what string
		keys []keyReport
	}{
		{done + ": %s without a name\n", r.Deleted},
		{"kept: %s without a name, not proved to be half made; --kcv names one that has a check value, --unproven those that have none\n", r.Kept},
	} {
		if len(part.keys) == 0 {
			continue
		}
		fmt.Fprintf(a.out, part.what, countOf(len(part.keys)))
		if err := printKeys(a.out, part.keys); err != nil {
			return err
		}
	}
	if len(r.Deleted) == 0 {
		fmt.Fprintln(a.out, "nothing to delete")
	}
	return nil
}

func countOf(n int) string {
	if n == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", n)
}

// unnamed lists the keys with neither label nor id.
func (v *visit) unnamed(ctx context.Context, calculate bool) ([]admin.Key, error) {
	all, err := v.Keys(ctx, "", calculate)
	return slices.DeleteFunc(all, func(k admin.Key) bool { return !k.Unnamed() }), err
}

// takeHalfBack deletes what is half made and was not there before. Which of
// several that are alike does not matter: nothing tells them apart, and none has
// a value. What is not proved to be half made stays, and is an error.
func (v *visit) takeHalfBack(ctx context.Context, before []admin.Key) error {
	now, err := v.unnamed(ctx, false)
	if err != nil {
		return err
	}
	before = slices.Clone(before)
	unproven := 0
	for _, k := range now {
		if i := slices.IndexFunc(before, func(one admin.Key) bool { return alike(one, k) }); i >= 0 {
			before = slices.Delete(before, i, i+1)
			continue
		}
		switch {
		case k.Unproven():
			unproven++
		case k.Halfway():
			if err := v.Delete(ctx, k); err != nil {
				return err
			}
		}
	}
	if unproven > 0 {
		return &unprovenParts{unproven}
	}
	return nil
}

// unprovenParts says that keys without a name came, which nobody may delete for
// half made ones.
type unprovenParts struct{ n int }

func (u *unprovenParts) Error() string {
	return countOf(u.n) + " without a name came meanwhile, and the token does not let it be proved that it is half made ('ssovault key delete --unnamed --unproven' removes such)"
}

// alike tells whether a token tells the same of two unnamed keys.
func alike(a, b admin.Key) bool {
	return a.Class == b.Class && a.Type == b.Type && a.Bits == b.Bits && a.KCV == b.KCV && a.Attributes == b.Attributes && a.Known == b.Known && a.Empty == b.Empty
}
