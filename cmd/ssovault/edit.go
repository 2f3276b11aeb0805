package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ssovault/internal/durable"
	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/launch"
	"ssovault/internal/properties"
	"ssovault/internal/vault"
)

func (a *app) editCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "edit",
		Short: "Change the settings in an editor, in one save",
		Long: `Edit opens both property files in $VISUAL or $EDITOR, in a folder in memory (tmpfs,
mode 0700) that also serves as HOME and TMPDIR, so that the editor's traces go
with it; vi, nano and emacs are told to leave no swap, backup and undo files.
Nothing is written when nothing was changed.`,
		Example: `  EDITOR=nano ssovault edit`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.edit(cmd.Context())
		},
	}
}

// edit lets somebody at a copy, and saves what came of it unless somebody else
// has changed the settings meanwhile: an editor may stand open for a day, and a
// service must be able to start.
func (a *app) edit(ctx context.Context) (err error) {
	ctx = context.WithoutCancel(ctx) // see runEditor
	var was, edited vault.Settings
	var began *vault.Contents
	err = a.view(ctx, access{}, func(s *session, set vault.Settings) error {
		was, began = set, s.contents
		return nil
	})
	if err != nil {
		return err
	}
	folder, err := launch.NewScratch()
	if err != nil {
		return err
	}
	edited, err = a.editIn(folder.Path, was)
	before := snapshot(was)
	if err != nil || before.equal(edited) {
		return errors.Join(err, folder.Close())
	}
	if err := a.saveEdited(ctx, began, was, edited); err != nil {
		if leaveErr := folder.Leave(); leaveErr != nil {
			return errors.Join(err, leaveErr)
		}
		return leaveEdited(folder, before, edited, err)
	}
	return folder.Close()
}

// saveEdited saves what was edited, unless somebody else has changed it.
func (a *app) saveEdited(ctx context.Context, began *vault.Contents, was, edited vault.Settings) error {
	return a.change(ctx, access{}, func(s *session, save *vault.Save) (bool, error) {
		if s.contents.Mode != began.Mode || s.contents.Mark() != began.Mark() || !snapshot(was).equal(save.Settings) {
			return false, fault.New(fault.Busy, "somebody else changed the settings while they were being edited; nothing was saved").
				Because("the settings are no longer those that were edited").
				With("look at what others changed with 'ssovault show', or edit again")
		}
		save.Settings = edited
		return true, nil
	})
}

// editIn lets the editor at both files until what it leaves is valid.
func (a *app) editIn(folder string, was vault.Settings) (vault.Settings, error) {
	names := []string{vault.InstanceClear, vault.SharedClear}
	for i, set := range []*properties.Set{was.Instance, was.Shared} {
		if err := durable.Create(filepath.Join(folder, names[i]), set.Encode()); err != nil {
			return was, err
		}
	}
	for {
		if err := runEditor(folder, names); err != nil {
			return was, err
		}
		edited, err := readEdited(folder, was)
		if err == nil || !term.IsTerminal(int(a.in.Fd())) {
			return edited, err
		}
		fmt.Fprintf(a.err, "%v\nEdit again (Y/n): ", err)
		answer, readErr := bufio.NewReader(a.in).ReadString('\n')
		if answer = strings.ToLower(strings.TrimSpace(answer)); readErr != nil || strings.HasPrefix(answer, "n") {
			return was, err
		}
	}
}

// readEdited reads what the editor left, when it is valid.
func readEdited(folder string, was vault.Settings) (vault.Settings, error) {
	var sets [2]*properties.Set
	for i, name := range []string{vault.InstanceClear, vault.SharedClear} {
		b, err := durable.Read(filepath.Join(folder, name), encp.MaxPlaintext)
		if err != nil {
			return was, fault.Wrap(fault.Usage, err, "read back what was edited")
		}
		if sets[i], err = properties.Parse(b); err != nil {
			return was, fault.Wrap(fault.Usage, err, "%s", name)
		}
		clear(b)
	}
	edited := vault.Settings{Instance: sets[0], Shared: sets[1], Bound: was.Bound}
	return edited, checkEdited(snapshot(was), edited)
}

// quietFlags make an editor leave nothing beside the file, by the name of the
// program that the editor's name leads to: vi may be vim, nvi or busybox.
func quietFlags(editor string) []string {
	path, err := exec.LookPath(editor)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil
	}
	switch name := filepath.Base(path); {
	case strings.Contains(name, "vim"):
		return []string{"-n", "-i", "NONE", "--cmd", "set nobackup nowritebackup noundofile noswapfile"}
	case strings.HasPrefix(name, "emacs"):
		return []string{"--eval", "(setq make-backup-files nil auto-save-default nil create-lockfiles nil)"}
	}
	return nil
}

func runEditor(folder string, names []string) error {
	editor := os.Getenv("VISUAL")
	if editor == "" {
		editor = os.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	argv := strings.Fields(editor)
	argv = append(argv, quietFlags(argv[0])...)
	for _, name := range names {
		argv = append(argv, filepath.Join(folder, name))
	}
	// Ctrl-C in an editor is the editor's: this program must not end under it.
	keys := make(chan os.Signal, 1)
	signal.Notify(keys, os.Interrupt, syscall.SIGQUIT)
	defer signal.Stop(keys)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Dir = folder
	cmd.Env = launch.WithEnv(os.Environ(), []string{"HOME=" + folder, "TMPDIR=" + folder, "XDG_CONFIG_HOME=" + folder,
		"XDG_CACHE_HOME=" + folder, "XDG_DATA_HOME=" + folder, "XDG_STATE_HOME=" + folder})
	if err := cmd.Run(); err != nil {
		e := &fault.Error{Op: "the editor " + argv[0], Cause: fault.Unclassified, Err: err}
		return e.With("nothing was changed; name another editor in $VISUAL or $EDITOR")
	}
	return nil
}
