package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"ssovault/internal/doctor"
	"ssovault/internal/durable"
	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/vault"
)

// logTail is how much of the log's end goes into a bundle.
const logTail = 1 << 20

func (a *app) supportCommand() *cobra.Command {
	var login bool
	c := &cobra.Command{
		Use:   "support FILE.tar.gz",
		Short: "Make a bundle for support, without secrets",
		Long: `Support writes a bundle of what somebody else needs to help: version, status, the
doctor's checklist, the headers of the sealed files, sks.properties, the list of
data/, the end of the log. It holds no PIN, no key, no setting's value, and not the
bodies of the sealed files; comments and values of sks.properties that are not
ssovault's, the arguments of a command and foreign lines of the log are left out.
The checklist logs in to the HSM only with --login.`,
		Example: `  ssovault support /tmp/support.tar.gz`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := a.open(cmd.Context(), vault.Look)
			if err != nil {
				return err
			}
			defer f.Close()
			if there, err := durable.Exists(args[0]); err != nil || there {
				return fault.New(fault.Usage, "%s is there already", args[0]).With("name a new file")
			}
			parts, err := a.bundle(cmd, f, login)
			if err != nil {
				return err
			}
			b, err := archive(parts, a)
			if err != nil {
				return err
			}
			if err := durable.Create(args[0], b); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "ssovault: wrote %s; look through it before you send it\n", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&login, "login", false, "let the checklist log in to the HSM")
	return c
}

// part is one file of the bundle.
type part struct {
	name    string
	content []byte
}

// bundle gathers the parts. What cannot be had is said in its place.
func (a *app) bundle(cmd *cobra.Command, f *vault.Folder, login bool) ([]part, error) {
	var parts []part
	add := func(name string, content []byte, err error) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			content = []byte(err.Error() + "\n")
		}
		if content != nil {
			parts = append(parts, part{name, content})
		}
	}
	addJSON := func(name string, v any) {
		var b bytes.Buffer
		err := printJSON(&b, v)
		add(name, b.Bytes(), err)
	}
	addJSON("version.json", versionOf())
	text, clean, err := harmlessOf(f)
	add(vault.SKSFile, text, err)
	status, _ := a.gatherStatus(f)
	addJSON("status.json", clean.status(status))
	device, err := a.device(f)
	if err != nil {
		return nil, err
	}
	d := doctor.Doctor{Folder: f, Device: device, Now: a.now(), LookupEnv: a.hidden.Lookup, NoLogin: !login}
	lines, _ := d.Run(cmd.Context())
	addJSON("doctor.json", clean.checklist(lines))

	for _, name := range []string{vault.InstanceEncp, vault.SharedEncp} {
		b, err := durable.Read(f.Data(name), encp.MaxFile)
		if err == nil {
			var sealed encp.File
			if sealed, err = encp.Parse(b); err == nil {
				add(name+".header", sealed.AAD, nil)
				continue
			}
		}
		add(name+".header", nil, err)
	}
	list, err := listFolder(f.Data(""))
	add("data.txt", list, err)
	tail, err := tailOf(f.Log())
	add("ssovault.log", clean.logLines(tail), err)
	return parts, nil
}

// listFolder gives names, modes, sizes and times, and no content.
func listFolder(dir string) ([]byte, error) {
	var b bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %10d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format("2006-01-02T15:04:05Z"), name)
		return nil
	})
	return b.Bytes(), err
}

// tailOf gives the end of a file, from a whole line on.
func tailOf(path string) ([]byte, error) {
	f, err := durable.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-logTail)
	b := make([]byte, info.Size()-from)
	n, err := f.ReadAt(b, from)
	if n < len(b) {
		return nil, err
	}
	if from > 0 {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	return b, nil
}

// archive packs the parts into one folder of a tar.gz.
func archive(parts []part, a *app) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for _, p := range parts {
		h := &tar.Header{Name: "ssovault-support/" + p.name, Mode: 0o600, Size: int64(len(p.content)), ModTime: a.now()}
		if err := t.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := t.Write(p.content); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
