package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/spf13/cobra"

	"ssovault/internal/backup"
	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/pin"
	"ssovault/internal/secret"
	"ssovault/internal/vault"
)

// passphrase is where a passphrase comes from, as the flags say it.
type passphrase struct {
	ask    bool
	source string
}

func (p *passphrase) flags(c *cobra.Command, what string) {
	c.Flags().BoolVar(&p.ask, "passphrase", false, what+"; it is asked for")
	c.Flags().StringVar(&p.source, "passphrase-source", "", "where the passphrase comes from (file:PATH, credential:NAME, command:CMD, env:NAME, fd:N, prompt)")
}

// given tells whether a passphrase is meant.
func (p *passphrase) given() bool { return p.ask || p.source != "" }

// from is the source that is meant. Cause Usage.
func (p *passphrase) from() (pin.Source, error) {
	if p.source == "" {
		return pin.Source{Kind: pin.KindPrompt}, nil
	}
	src, err := pin.ParseSource(p.source)
	return src, fault.Wrap(fault.Usage, err, "--passphrase-source")
}

// typed tells whether a person types it.
func (p *passphrase) typed() bool {
	src, err := p.from()
	return p.given() && err == nil && src.Attended()
}

// wordPassphrase is what advice calls a passphrase.
const wordPassphrase = "passphrase"

// read reads the passphrase; twice where a person types a new one. Cause Usage
// for a source that gives none: it has nothing to do with the PIN of the HSM.
func (p *passphrase) read(ctx context.Context, a *app, question string, fresh bool) (secret.Value, error) {
	src, err := p.from()
	switch {
	case err != nil:
		return secret.Value{}, err
	case src == pin.Default:
		return secret.Value{}, fault.New(fault.Usage, "--passphrase-source file names no path; the PIN of the HSM is no passphrase").With("--passphrase-source file:PATH")
	case src.Kind == pin.KindEnv:
		if err := a.hidden.Hide(src.Arg); err != nil {
			return secret.Value{}, err
		}
	}
	r := a.pins(vault.Layout{}, os.Geteuid())
	r.What = wordPassphrase
	v, err := r.Read(ctx, src, question)
	switch {
	case fault.Of(err) == fault.PINUnavailable && src.Attended():
		return v, (&fault.Error{Op: "the passphrase of the backup", Cause: fault.Usage, Err: err}).
			With("type one at a terminal, or say where it comes from: --passphrase-source file:PATH")
	case fault.Of(err) == fault.PINUnavailable:
		return v, (&fault.Error{Op: "the passphrase of the backup", Cause: fault.Usage, Err: err}).
			With("look at the source that --passphrase-source names: it is absent, empty or fails")
	case err != nil || !fresh || !src.Attended():
		return v, err
	}
	again, err := r.Read(ctx, src, "Passphrase again")
	if err != nil {
		v.Wipe()
		return secret.Value{}, err
	}
	defer again.Wipe()
	if !v.Equal(again) {
		v.Wipe()
		return secret.Value{}, fault.New(fault.Usage, "the two passphrases are not the same")
	}
	return v, nil
}

// archiveKeys are the keys that open encrypted archives, as the flags say it.
type archiveKeys struct {
	identities []string
	passphrase passphrase
}

func (k *archiveKeys) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&k.identities, "identity", nil, "age identity `file` that opens an encrypted backup")
	k.passphrase.flags(c, "the backup was encrypted with a passphrase")
}

// maxIdentities bounds an identity file.
const maxIdentities = 1 << 20

// read reads them. It comes before ssovault becomes the owner of the install
// folder: an identity may be root's alone.
func (k *archiveKeys) read(ctx context.Context, a *app) (keys backup.Keys, err error) {
	if k.passphrase.given() {
		if err := k.ask(ctx, a, "Passphrase of the backup", &keys); err != nil {
			return keys, err
		}
	}
	for _, path := range k.identities {
		text, err := a.readInput(ctx, path, maxIdentities)
		if err == nil {
			err = keys.Add(text)
			clear(text)
		}
		if err != nil {
			return keys, fault.Wrap(fault.Usage, err, "the identity %s", path)
		}
	}
	return keys, nil
}

// ask reads the passphrase into keys, in the place of one that was there.
func (k *archiveKeys) ask(ctx context.Context, a *app, question string, keys *backup.Keys) error {
	p, err := k.passphrase.read(ctx, a, question, false)
	if err != nil {
		return err
	}
	defer p.Wipe()
	return keys.SetPassphrase(p)
}

// maxPassphrases is how often a passphrase may be typed.
const maxPassphrases = 3

// openWith opens an archive. A wrong passphrase that was typed is asked for again.
func (k *archiveKeys) openWith(ctx context.Context, a *app, file *os.File, keys backup.Keys) (*backup.Archive, error) {
	for n := 1; ; n++ {
		archive, err := backup.OpenFile(file, keys)
		if n == maxPassphrases || !errors.Is(err, backup.ErrPassphrase) || !k.passphrase.typed() {
			return archive, err
		}
		if err := k.ask(ctx, a, "This passphrase does not open it. Passphrase of the backup", &keys); err != nil {
			return nil, err
		}
	}
}

// opened is an archive that a command works on.
type opened struct {
	*backup.Archive
	path string
	file *os.File
}

func (o *opened) close() {
	o.Archive.Close()
	o.file.Close()
}

// openArchive opens the archive that args names, or the newest in
// BASE/backups.
func (a *app) openArchive(ctx context.Context, args []string, k *archiveKeys) (*opened, error) {
	keys, err := k.read(ctx, a)
	if err != nil {
		return nil, err
	}
	path, err := a.archivePath(args)
	if err != nil {
		return nil, err
	}
	if err := regular(path); err != nil {
		return nil, err
	}
	file, err := openArchiveFile(path)
	if err != nil {
		return nil, err
	}
	archive, err := k.openWith(ctx, a, file, keys)
	if err != nil {
		file.Close()
		return nil, fault.Wrap(fault.Unclassified, err, "%s", path)
	}
	return &opened{archive, path, file}, nil
}

// saveMemory lets garbage be collected early while an archive is read or made: what
// stays is a list of its files and the few buffers that all of it goes through, and
// the garbage beside them is little. It need not double them.
func saveMemory() { debug.SetGCPercent(25) }

func openArchiveFile(path string) (*os.File, error) {
	saveMemory()
	file, err := durable.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "there is no backup %s", path).With("'ssovault backup list' shows those in BASE/backups")
	}
	return file, err
}

// regular refuses what no backup can be read from; what is missing is for whoever
// opens it. Cause Usage.
func regular(path string) error {
	if path == "-" {
		return fault.New(fault.Usage, "a backup is read at several places at once: give a file, not -")
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	const several = "a backup is read at several places at once, so it must be a file"
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return fault.New(fault.Usage, "%s is a folder; name a backup in it", path).With("'ssovault backup list' shows those in BASE/backups")
	case mode&fs.ModeSymlink != 0:
		return fault.New(fault.Usage, "%s is a link; name the backup itself", path).With(several)
	case mode&fs.ModeNamedPipe != 0:
		return fault.New(fault.Usage, "%s is a pipe", path).With(several + ": write what comes out of it into one first")
	}
	return fault.New(fault.Usage, "%s is a device or a socket", path).With(several)
}

// archivePath is the archive that is meant.
func (a *app) archivePath(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	all, err := a.stores()
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fault.New(fault.Usage, "there is no backup in BASE/backups").With("name one, or make one with 'ssovault backup'")
	}
	return all[0].Path, nil
}

// stores lists BASE/backups.
func (a *app) stores() ([]backup.Stored, error) {
	base, err := a.baseFolder()
	if err != nil {
		return nil, err
	}
	if base, err = filepath.Abs(base); err != nil {
		return nil, fault.Wrap(fault.NotPermitted, err, "find the install folder")
	}
	return backup.Stores(backup.Folder(vault.Layout{Base: base}))
}
