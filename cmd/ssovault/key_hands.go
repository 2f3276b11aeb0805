package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/secret"
)

// sheets are written into a folder. None has a name there before all are whole,
// so that a run that is cut off leaves no half of one.
type sheets struct {
	dir     string
	whole   []*durable.Unnamed
	paths   []string
	written []string // of those that have their names
}

// sheetFolder makes sure that the sheets can be written.
func (a *app) sheetFolder(o componentsOptions) (hands, error) {
	p, err := a.site()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.sheetDir)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "find %s", o.sheetDir)
	}
	var path string
	for number := range o.count {
		s := hsm.Sheet{Number: number + 1, Of: o.count, Label: o.label}
		for _, ending := range sheetEndings {
			path = filepath.Join(dir, s.FileName(ending))
			there, err := durable.Exists(path)
			if err == nil && there {
				err = fault.New(fault.Usage, "%s is there already, and is never overwritten", path).
					With("name another folder; where a run was cut off, and no token has a key of the KCV on that sheet, its sheets are worth nothing: remove them")
			}
			if err != nil {
				return nil, err
			}
		}
	}
	place := newFile
	if p.folder != nil { // whose disk and backups must not hold them
		place = a.outside
	}
	if path, err = place(path); err != nil {
		return nil, err
	}
	h := &sheets{dir: filepath.Dir(path)}
	info, err := os.Stat(h.dir)
	switch {
	case err != nil:
		return nil, fault.Wrap(durable.Cause(err), err, "look at %s", h.dir)
	case info.Mode().Perm()&0o022 != 0 && info.Mode()&os.ModeSticky == 0:
		return nil, fault.New(fault.NotPermitted, "whoever may write to the folder %s (mode %04o) could put other sheets in the place of these", h.dir, info.Mode().Perm()).
			With("take the right away: chmod go-w " + h.dir + "; a medium that knows no modes is mounted with dmask=0077; nothing was made")
	case info.Mode().Perm()&0o077 != 0:
		a.warn(fmt.Sprintf("the folder %s is open to others (mode %04o); the sheets themselves are not (0600)", h.dir, info.Mode().Perm()))
	}
	return h, nil
}

// sheetEndings are those of the files of a sheet.
var sheetEndings = []string{"txt", "svg"}

func (h *sheets) give(_ context.Context, s hsm.Sheet) (files []string, err error) {
	for _, ending := range sheetEndings {
		make := s.Text
		if ending == "svg" {
			make = s.SVG
		}
		content, err := make()
		if err != nil {
			return nil, err
		}
		path := filepath.Join(h.dir, s.FileName(ending))
		sheet, err := durable.CreateUnnamed(path, content.Bytes())
		content.Wipe()
		if err != nil {
			return nil, err
		}
		h.whole, h.paths, files = append(h.whole, sheet), append(h.paths, path), append(files, path)
	}
	return files, nil
}

func (h *sheets) finish() error {
	for i, sheet := range h.whole {
		if err := sheet.Publish(); err != nil {
			return err
		}
		h.written = append(h.written, h.paths[i])
	}
	return errors.Join(h.drop(), durable.SyncFolder(h.dir))
}

// drop ends the use of the files; those without a name are gone.
func (h *sheets) drop() error {
	var all []error
	for _, sheet := range h.whole {
		all = append(all, sheet.Close())
	}
	h.whole = nil
	return errors.Join(all...)
}

// takeBack removes the sheets. What a disk keeps of a removed file is worth
// nothing: no key was made of it.
func (h *sheets) takeBack() error {
	all := []error{h.drop()}
	for _, path := range h.written {
		all = append(all, durable.Remove(path))
	}
	return errors.Join(append(all, durable.SyncFolder(h.dir))...)
}

// screens show a component after the other, each to its custodian alone.
type screens struct{ *app }

func (h *screens) give(ctx context.Context, s hsm.Sheet) ([]string, error) {
	text, err := s.Text()
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	q, err := h.questions(ctx)
	if err != nil {
		return nil, err
	}
	defer q.close()
	if err := q.hold(0); err != nil {
		return nil, err
	}
	defer q.clearScreen()
	q.clearScreen()
	who := "The custodian"
	if s.Custodian != "" {
		who = oneLine(s.Custodian)
	}
	q.say("%s of %s, alone at this screen.", who, s.Name())
	if _, err := q.ask("Press Enter to see it", ""); err != nil {
		return nil, err
	}
	q.clearScreen()
	if _, err := q.tty.Write(text.Bytes()); err != nil {
		return nil, fault.Wrap(fault.Interrupted, err, "show %s", s.Name())
	}
	_, err = q.ask("\nWrite down the blocks and the KCVs. Press Enter when you have them", "")
	return nil, err
}

func (*screens) finish() error   { return nil }
func (*screens) takeBack() error { return nil }

// pipe writes a component and its KCV, a line each.
type pipe struct{ out *output }

func (p pipe) give(_ context.Context, s hsm.Sheet) ([]string, error) {
	lines, err := s.Component.Lines()
	if err != nil {
		return nil, err
	}
	b := lines.Bytes()
	defer secret.Wipe(b)
	if _, err = p.out.Write(b); err != nil {
		err = fault.Wrap(durable.Cause(err), err, "hand out %s", s.Name())
	}
	return nil, err
}

func (p pipe) finish() error {
	if p.out.failed != nil {
		return fmt.Errorf("hand out the components: %w", p.out.failed)
	}
	return nil
}

func (pipe) takeBack() error { return nil }
