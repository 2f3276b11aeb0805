package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ssovault/internal/backup"
	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/vault"
)

// mask stands for a value that is not shown.
const mask = "********"

func (a *app) showCommand() *cobra.Command {
	var asJSON, reveal bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show all settings, secrets masked",
		Long: `Show prints every setting. A value is masked unless its key is one of ssovault's
own public ones or was set with --public; a key whose name says password, secret,
key, token or pin is always masked. --reveal unmasks all.`,
		Example: `  ssovault show
  ssovault show --json | jq .shared`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.view(cmd.Context(), access{}, func(_ *session, set vault.Settings) error {
				if asJSON {
					return printJSON(a.out, map[string]any{"instance": masked(set.Instance, reveal), "shared": masked(set.Shared, reveal)})
				}
				return printTable(a.out, set, reveal)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&reveal, "reveal", false, "print secrets too")
	return c
}

// printTable prints a line for each setting.
func printTable(out io.Writer, s vault.Settings, reveal bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range []struct {
		name string
		set  *properties.Set
	}{{"instance", s.Instance}, {"shared", s.Shared}} {
		values := masked(one.set, reveal)
		for _, key := range one.set.Keys() {
			fmt.Fprintf(w, "%s\t%s\t%s\n", one.name, oneLine(key), oneLine(values[key]))
		}
	}
	return w.Flush()
}

// masked gives a set as a map, with masks in place of what is not shown.
func masked(set *properties.Set, reveal bool) map[string]string {
	m := flat(set)
	for key := range m {
		if !reveal && properties.Masked(key, set.IsPublic(key)) {
			m[key] = mask
		}
	}
	return m
}

// oneLine quotes a value that would break a table.
func oneLine(s string) string {
	quoted := fmt.Sprintf("%q", s)
	if quoted == `"`+s+`"` {
		return s
	}
	return quoted
}

func (a *app) diffCommand() *cobra.Command {
	var keys archiveKeys
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff [COPY]",
		Short: "Compare the settings with a kept or copied data folder, or an export",
		Long: `Diff compares the present settings with COPY: a folder that holds a copy of data/
sealed with the same key, a backup, or a file that 'ssovault export' wrote. Without COPY it
takes the newest data.before-… folder. Masked values are only said to differ.
Exit status 0 also when there are differences.`,
		Example: `  ssovault diff
  ssovault diff /mnt/backup/data
  ssovault diff backups/ssovault-….tar.zst
  ssovault export | ssovault --base /other diff -`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			what, err := a.compareWith(cmd.Context(), args, &keys)
			if err != nil {
				return err
			}
			return a.view(cmd.Context(), access{}, func(s *session, now vault.Settings) error {
				then, err := what(cmd.Context(), s)
				if err != nil {
					return err
				}
				changes := append(compare("instance", then.Instance, now.Instance), compare("shared", then.Shared, now.Shared)...)
				if asJSON {
					return printJSON(a.out, changes)
				}
				for _, c := range changes {
					fmt.Fprintln(a.out, c)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	keys.flags(c)
	return c
}

// difference is one change between two sets, masked.
type difference struct {
	File string  `json:"file"`
	Key  string  `json:"key"`
	Then *string `json:"then"` // null: was not there
	Now  *string `json:"now"`  // null: is not there
}

func (d difference) String() string {
	switch {
	case d.Then == nil:
		return fmt.Sprintf("+ %s %s=%s", d.File, oneLine(d.Key), oneLine(*d.Now))
	case d.Now == nil:
		return fmt.Sprintf("- %s %s=%s", d.File, oneLine(d.Key), oneLine(*d.Then))
	}
	return fmt.Sprintf("~ %s %s: %s -> %s", d.File, oneLine(d.Key), oneLine(*d.Then), oneLine(*d.Now))
}

// compare lists what differs between two sets, in the order of their keys.
func compare(file string, then, now *properties.Set) []difference {
	changes := []difference{}
	shown := func(set *properties.Set, key string) *string {
		v, ok := set.Get(key)
		if !ok {
			return nil
		}
		if properties.Masked(key, then.IsPublic(key) || now.IsPublic(key)) {
			v = mask
		}
		return &v
	}
	for _, key := range then.Keys() {
		was, _ := then.Get(key)
		if is, ok := now.Get(key); !ok || is != was {
			changes = append(changes, difference{file, key, shown(then, key), shown(now, key)})
		}
	}
	for _, key := range now.Keys() {
		if _, ok := then.Get(key); !ok {
			changes = append(changes, difference{file, key, nil, shown(now, key)})
		}
	}
	return changes
}

// compareWith finds what diff compares with. An export is read before the token
// is asked for anything: what writes it may be waiting for the same token.
func (a *app) compareWith(ctx context.Context, args []string, keys *archiveKeys) (func(context.Context, *session) (vault.Settings, error), error) {
	if len(args) == 0 {
		return newestKept, nil
	}
	if info, err := os.Stat(args[0]); args[0] != "-" && err == nil && info.IsDir() {
		return func(ctx context.Context, s *session) (vault.Settings, error) { return openCopy(ctx, s, args[0]) }, nil
	}
	if args[0] != "-" && isBackup(args[0]) {
		return func(ctx context.Context, s *session) (vault.Settings, error) {
			return a.backedUp(ctx, s, args[0], keys)
		}, nil
	}
	if args[0] == "-" {
		if err := a.hideFirst(); err != nil {
			return nil, err
		}
	}
	then, err := a.readExport(ctx, args[0], "")
	if err == nil && (then.Instance == nil || then.Shared == nil) {
		err = fault.New(fault.Usage, "%s does not hold both files", args[0])
	}
	return func(context.Context, *session) (vault.Settings, error) { return then, nil }, err
}

// newestKept opens the newest folder that ssovault set aside.
func newestKept(ctx context.Context, s *session) (vault.Settings, error) {
	kept, err := s.folder.Kept()
	if err != nil {
		return vault.Settings{}, err
	}
	if len(kept) == 0 {
		return vault.Settings{}, fault.New(fault.Usage, "there is no kept folder data.before-… to compare with").
			With("name a copy of data/, or a file that 'ssovault export' wrote")
	}
	return openCopy(ctx, s, kept[len(kept)-1])
}

// openCopy opens a copy of data/.
func openCopy(ctx context.Context, s *session, path string) (vault.Settings, error) {
	c, err := vault.ScanCopy(path)
	if err != nil {
		return vault.Settings{}, err
	}
	return copied(ctx, s, path, c)
}

// copied opens the settings of a copy with the key of this session.
func copied(ctx context.Context, s *session, path string, c *vault.Contents) (vault.Settings, error) {
	plain := c.Clear
	if c.Mode == vault.ModeSealed {
		if s.store == nil {
			return vault.Settings{}, fault.New(fault.Usage, "%s is sealed, and secure key storage is off here", path)
		}
		var err error
		if plain, err = c.OpenCopy(ctx, s.store); err != nil {
			return vault.Settings{}, err
		}
	}
	defer plain.Wipe()
	return plain.Parse()
}

// isBackup tells whether a file begins as a backup does.
func isBackup(path string) bool {
	f, err := durable.OpenFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return backup.Recognise(f)
}

// backedUp opens the settings in a backup.
func (a *app) backedUp(ctx context.Context, s *session, path string, keys *archiveKeys) (set vault.Settings, err error) {
	archive, err := a.openArchive(ctx, []string{path}, keys)
	if err != nil {
		return set, err
	}
	defer archive.close()
	c, release, err := a.unpack(ctx, archive, "read")
	if err != nil {
		return set, err
	}
	defer func() { err = errors.Join(err, release()) }()
	return copied(ctx, s, path, c)
}
