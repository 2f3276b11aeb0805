package backup

import (
	"context"
	"path/filepath"
	"time"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/vault"
)

// Restoration puts an archive in the place of data/.
type Restoration struct {
	// Folder is open for Change, by vault.OpenAfresh: what is there may be
	// beyond repair.
	Folder *vault.Folder
	// Force restores another instance's backup.
	Force bool
	WayIn WayIn
	// Chosen is told how the token will be reached, before anything changes:
	// a PIN in the environment makes ssovault start again.
	Chosen func(vault.SKS) error
	Now    time.Time
	Report Progress
}

// Restored is what a restore came to, or would come to.
type Restored struct {
	Manifest Manifest `json:"manifest"`
	// Kept is the name in BASE of the folder that was there before.
	Kept     string   `json:"kept,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Access is how the restored files reach their token; nil in the clear.
	Access *vault.SKS `json:"-"`
	// Recovery is how the recovery file in it stands beside its settings.
	Recovery vault.RecoveryState `json:"recovery_file"`
}

// Present gives what is known of a folder that a backup is to go into: its
// instance and, where it is sealed, its configuration, however broken the rest
// may be.
func Present(f *vault.Folder) (instance string, s *vault.SKS) {
	c, _ := f.Scan(vault.BoundMatch) // a broken folder is what backups are for
	switch {
	case c.Mode == vault.ModeSealed:
		if c.SKS.Serial == "" || c.SKS.PIN.Kind == "" || !filepath.IsAbs(c.SKS.Library) {
			return c.SKS.Instance, nil // sks.properties is missing or damaged
		}
		return c.SKS.Instance, &c.SKS
	case c.Mode == vault.ModeClear:
		if set, err := properties.Parse(c.Clear.Instance); err == nil {
			instance, _ = set.Get("instance_number")
		}
	}
	return instance, nil
}

// Check makes the checks that the manifest alone allows. Cause WrongInstance
// for another instance's backup, unless forced.
func (r Restoration) Check(a *Archive) error {
	instance, _ := Present(r.Folder)
	if instance != "" && instance != a.Manifest.Instance && !r.Force {
		return fault.New(fault.WrongInstance, "the backup is of instance %s, this is instance %s", a.Manifest.Instance, instance).
			With("take a backup of this instance, or say '--force' to replace this instance by the other one")
	}
	return nil
}

// Would says what Run would come to, of an archive whose content is known from
// Own.
func (r Restoration) Would(a *Archive, c *vault.Contents) (Restored, error) {
	out := Restored{Manifest: a.Manifest}
	if err := r.Check(a); err != nil {
		return out, err
	}
	return out, r.settle(&out, c)
}

// Run restores: it extracts and checks everything in a folder beside data/,
// and only then exchanges the two. An error before that leaves data/ untouched
// and nothing behind; a crash at any point leaves the old data/ or the new.
func (r Restoration) Run(ctx context.Context, a *Archive) (Restored, error) {
	out := Restored{Manifest: a.Manifest}
	if err := r.Check(a); err != nil {
		return out, err
	}
	stage, err := r.Folder.Stage()
	if err != nil {
		return out, err
	}
	if err := r.prepare(ctx, a, stage.Path, &out); err != nil {
		stage.Discard()
		return out, err
	}
	out.Kept, err = stage.Exchange(r.Now)
	return out, err
}

// prepare fills the folder that is to become data/.
func (r Restoration) prepare(ctx context.Context, a *Archive, dir string, out *Restored) error {
	if err := a.Extract(ctx, dir, r.Report); err != nil {
		return err
	}
	c, err := a.judge(dir)
	if err != nil {
		return err
	}
	if err := r.settle(out, c); err != nil {
		return err
	}
	if out.Access == nil || c.SKS.SameWayIn(*out.Access) {
		return nil
	}
	text, err := out.Access.Text()
	if err != nil {
		return fault.Wrap(fault.Malformed, err, "write sks.properties")
	}
	return durable.Replace(filepath.Join(dir, vault.SKSFile), text)
}

// settle looks at what was extracted and decides how its token is reached.
func (r Restoration) settle(out *Restored, c *vault.Contents) error {
	out.Recovery = out.Manifest.Recovery(c)
	return r.chooseAccess(out, c)
}

func (r Restoration) chooseAccess(out *Restored, c *vault.Contents) error {
	if c.Mode != vault.ModeSealed {
		return nil
	}
	chosen, notes, err := r.WayIn.Choose(c.SKS)
	if err != nil {
		return err
	}
	out.Access, out.Warnings = &chosen, append(out.Warnings, notes...)
	if r.Chosen == nil {
		return nil
	}
	return r.Chosen(chosen)
}

// Difference is a file that is not the same in a backup and in a data folder.
type Difference struct {
	Name string `json:"name"`
	What string `json:"what"` // "changed", "only in the backup", "only here"
}

// Compare holds a data folder against a manifest, file by file, by size and
// SHA-256; times and modes do not count. It needs no key.
func Compare(ctx context.Context, m Manifest, s *vault.Snapshot) ([]Difference, error) {
	entries, err := survey(s, &meter{ctx: ctx})
	if err != nil {
		return nil, err
	}
	here := map[string]Entry{}
	for _, e := range entries {
		here[e.Name] = e
	}
	out := []Difference{}
	for _, e := range m.Entries {
		mine, ok := here[e.Name]
		delete(here, e.Name)
		switch {
		case !ok:
			out = append(out, Difference{e.Name, "only in the backup"})
		case mine.Folder != e.Folder || mine.Size != e.Size || mine.SHA256 != e.SHA256:
			out = append(out, Difference{e.Name, "changed"})
		}
	}
	for _, e := range entries {
		if _, left := here[e.Name]; left {
			out = append(out, Difference{e.Name, "only here"})
		}
	}
	return out, nil
}
