package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ssovault/internal/backup"
	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// listed is a line of backup list.
type listed struct {
	backup.Stored
	Manifest *listedManifest `json:"manifest,omitempty"`
	Problem  *problem        `json:"problem,omitempty"`
}

// listedManifest is a manifest less its files.
type listedManifest struct {
	Mode   vault.Mode  `json:"mode"`
	SaveID string      `json:"save_id,omitempty"`
	Key    *backup.Key `json:"key,omitempty"`
	Files  int         `json:"files"`
	Bytes  int64       `json:"bytes"`
}

func (a *app) backupListCommand() *cobra.Command {
	var keys archiveKeys
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the backups in BASE/backups, newest first",
		Long: `List shows the backups in BASE/backups with what their manifests say: generation,
and which key in which token they need. Of an encrypted one whose key is not given
it shows what the name says. It does not read the files in them: see verify.`,
		Example: `  ssovault backup list
  ssovault backup list --json | jq -r '.[0].path'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := keys.read(cmd.Context(), a)
			if err != nil {
				return err
			}
			all, err := a.stores()
			if err != nil {
				return err
			}
			lines := []listed{}
			for _, s := range all {
				lines = append(lines, look(s, k))
			}
			if asJSON {
				return printJSON(a.out, lines)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, l := range lines {
				fmt.Fprintf(w, "%s\tgeneration %d\tinstance %s\t%d bytes\t%s\t%s\n", l.Time.Format(time.RFC3339), l.Generation, l.Instance, l.Size, l.says(), l.Path)
			}
			return w.Flush()
		},
	}
	keys.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// look reads the manifest of a stored archive, if that can be read here.
func look(s backup.Stored, k backup.Keys) listed {
	l := listed{Stored: s}
	file, err := openArchiveFile(s.Path)
	if err == nil {
		defer file.Close()
		var archive *backup.Archive
		if archive, err = backup.OpenFile(file, k); err == nil {
			defer archive.Close()
			m := archive.Manifest
			l.Manifest = &listedManifest{m.Mode, m.SaveID, m.Key, m.Files(), m.Total()}
			return l
		}
	}
	if !locked(err) {
		l.Problem = problemOf(err)
	}
	return l
}

// says is the last word on an archive in a table.
func (l listed) says() string {
	switch {
	case l.Problem != nil:
		return l.Problem.Error
	case l.Manifest == nil:
		return "encrypted"
	case l.Manifest.Key == nil:
		return "in the clear"
	}
	k := l.Manifest.Key
	return fmt.Sprintf("key %s (%s) in token %s (serial %s)", oneLine(k.Label), k.ID, oneLine(k.TokenLabel), k.TokenSerial)
}

func (a *app) backupLsCommand() *cobra.Command {
	var keys archiveKeys
	var asJSON bool
	c := &cobra.Command{
		Use:   "ls [FILE]",
		Short: "Show the manifest of a backup: what is in it, and which key it needs",
		Long:  "Ls shows the manifest of FILE, or of the newest in BASE/backups. It reads no more than that: see verify.",
		Example: `  ssovault backup ls
  ssovault backup ls --json FILE | jq -r '.files[].name'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := a.openArchive(cmd.Context(), args, &keys)
			if err != nil {
				return err
			}
			defer archive.close()
			return printManifest(a.out, archive.Manifest, asJSON)
		},
	}
	keys.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// describe says in one line what a backup is of.
func describe(m backup.Manifest) string {
	text := fmt.Sprintf("instance %s, %s, %d files, %d bytes", m.Instance, m.Time.Format(time.RFC3339), m.Files(), m.Total())
	if m.Key == nil {
		return text + ", in the clear"
	}
	return fmt.Sprintf("%s, generation %d, needs the key %s (%s) in the token %s (serial %s)", text, m.Generation,
		oneLine(m.Key.Label), m.Key.ID, oneLine(m.Key.TokenLabel), m.Key.TokenSerial)
}

// verified is what verify and drill print as JSON.
type verified struct {
	Path       string      `json:"path"`
	Encrypted  bool        `json:"encrypted"`
	Instance   string      `json:"instance"`
	Generation uint64      `json:"generation,omitempty"`
	SaveID     string      `json:"save_id,omitempty"`
	Key        *backup.Key `json:"key,omitempty"`
	Files      int         `json:"files"`
	Bytes      int64       `json:"bytes"`
	Opened     bool        `json:"opened"` // with the real key
	// Recovery is how the recovery file in it stands; drill alone looks.
	Recovery vault.RecoveryState `json:"recovery_file,omitempty"`
}

func (o *opened) verified() verified {
	m := o.Manifest
	return verified{o.path, o.Encrypted, m.Instance, m.Generation, m.SaveID, m.Key, m.Files(), m.Total(), false, ""}
}

func (a *app) backupVerifyCommand() *cobra.Command {
	var keys archiveKeys
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Read a whole backup and check every byte, without HSM",
		Long: `Verify reads all of FILE, or of the newest in BASE/backups, checks every file
against the manifest, and the settings as restore would; a damaged one is named. It
needs no HSM. Whether the key still opens the backup is what drill tells.`,
		Example: `  ssovault backup verify
  ssovault backup verify --identity key.txt /mnt/nas/sso.tar.zst.age`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := a.openArchive(cmd.Context(), args, &keys)
			if err != nil {
				return err
			}
			defer archive.close()
			report, done := a.progress("verify")
			err = whole(cmd.Context(), archive.Archive, report)
			done()
			if err != nil {
				return fault.Wrap(fault.Unclassified, err, "%s", archive.path)
			}
			if asJSON {
				return printJSON(a.out, archive.verified())
			}
			_, err = fmt.Fprintf(a.out, "%s: whole; %s\n", archive.path, describe(archive.Manifest))
			return err
		},
	}
	keys.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// whole reads all of an archive and makes every check that restore makes without
// an HSM.
func whole(ctx context.Context, archive *backup.Archive, report backup.Progress) error {
	_, release, err := unpack(ctx, archive, report)
	if err != nil {
		return err
	}
	return release()
}

func (a *app) backupDiffCommand() *cobra.Command {
	var keys archiveKeys
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff [FILE]",
		Short: "Say which files are not the same in a backup and in data/",
		Long: `Diff compares data/ with the manifest of FILE, or of the newest in BASE/backups,
file by file, without HSM. What has changed in the settings is told by
'ssovault diff FILE', with the key.`,
		Example: `  ssovault backup diff`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := a.openArchive(cmd.Context(), args, &keys)
			if err != nil {
				return err
			}
			defer archive.close()
			f, err := a.open(cmd.Context(), vault.Look)
			if err != nil {
				return err
			}
			defer f.Close()
			s, err := f.Snapshot()
			if err != nil {
				return err
			}
			defer s.Close()
			f.Close() // the files are pinned: others may go on
			differences, err := backup.Compare(cmd.Context(), archive.Manifest, s)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, differences)
			}
			for _, d := range differences {
				fmt.Fprintf(a.out, "%-18s  %s\n", d.What, oneLine("data/"+d.Name))
			}
			return nil
		},
	}
	keys.flags(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printManifest shows what is in a backup, and which key it needs.
func printManifest(out io.Writer, m backup.Manifest, asJSON bool) error {
	if asJSON {
		return printJSON(out, m)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "# %s\n", describe(m))
	for _, e := range m.Entries {
		name, digest := e.Name, e.SHA256
		if e.Folder {
			name, digest = name+"/", "-"
		}
		fmt.Fprintf(w, "%04o\t%d\t%s\t%s\t%s\n", e.Mode, e.Size, e.Time.Format(time.RFC3339), digest, oneLine(name))
	}
	return w.Flush()
}
