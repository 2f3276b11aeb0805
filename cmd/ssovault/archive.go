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

// read reads the passphrase; twice where a person types a new one.
func (p *passphrase) read(ctx context.Context, a *app, fresh bool) (secret.Value, error) {
	src := pin.Source{Kind: pin.KindPrompt}
	if p.source != "" {
		var err error
		if src, err = pin.ParseSource(p.source); err != nil {
			return secret.Value{}, fault.Wrap(fault.Usage, err, "--passphrase-source")
		}
	}
	switch {
	case src == pin.Default:
		return secret.Value{}, fault.New(fault.Usage, "--passphrase-source file names no path; the PIN of the HSM is no passphrase").With("--passphrase-source file:PATH")
	case src.Kind == pin.KindEnv:
		if err := a.hidden.Hide(src.Arg); err != nil {
			return secret.Value{}, err
		}
	}
	r := a.pins(vault.Layout{}, os.Geteuid())
	v, err := r.Read(ctx, src, "Passphrase of the backup")
	if err != nil || !fresh || !src.Attended() {
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
		p, err := k.passphrase.read(ctx, a, false)
		if err != nil {
			return keys, err
		}
		defer p.Wipe()
		if err := keys.AddPassphrase(p); err != nil {
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
	file, err := openArchiveFile(path)
	if err != nil {
		return nil, err
	}
	archive, err := backup.OpenFile(file, keys)
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
