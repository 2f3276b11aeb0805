package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/backup"
	"ssovault/internal/durable"
	"ssovault/internal/encp"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/properties"
	"ssovault/internal/recovery"
	"ssovault/internal/vault"
)

func (a *app) inspectCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show the header of a sealed file, or of any other file of ssovault",
		Long: `Inspect shows the header of a sealed file and checks its digest; it needs no key.
Of a backup it shows the manifest, of an exported key what is said beside the
wrapped key, of a share everything but the secret, of what age has encrypted
(data/recovery.age, a backup) for whom. sks.properties and the files in run/, none
of which holds a secret, are shown as they are.`,
		Example: `  ssovault inspect data/shared.encp
  ssovault inspect --json data/instance.encp
  ssovault inspect share-2.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := durable.OpenFile(args[0])
			if errors.Is(err, fs.ErrNotExist) {
				return fault.New(fault.Usage, "there is no file %s", args[0])
			}
			if err != nil {
				return err
			}
			defer file.Close()
			return inspect(a.out, args[0], file, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// inspect shows what a file is.
func inspect(out io.Writer, path string, file *os.File, asJSON bool) error {
	archived := backup.Recognise(file)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if archived {
		return inspectArchive(out, path, file, asJSON)
	}
	b, err := durable.Read(path, encp.MaxFile)
	if err != nil {
		return err
	}
	defer clear(b) // it may be a share
	sealed, notSealed := encp.Parse(b)
	if notSealed == nil {
		return inspectSealed(out, sealed, asJSON)
	}
	if x, err := hsm.ParseExported(b); err == nil {
		return inspectExported(out, x, asJSON)
	}
	share, notShare := recovery.ParseShare(b)
	if notShare == nil {
		defer share.Wipe()
		return inspectShare(out, share, asJSON)
	}
	if plain, ok := vault.Readable(path, b); ok {
		return inspectPlain(out, plain, asJSON)
	}
	// What says itself what it is, is told what is wrong with it.
	switch {
	case bytes.HasPrefix(b, []byte("ssovault exported key")):
		_, err := hsm.ParseExported(b)
		return fault.Wrap(fault.Malformed, err, "%s", path)
	case bytes.HasPrefix(b, []byte("ssovault recovery share")):
		return fault.Wrap(fault.Malformed, notShare, "%s", path)
	case bytes.HasPrefix(b, []byte("ssovault sealed file")):
		return fault.Wrap(fault.Malformed, notSealed, "%s", path)
	}
	return fault.New(fault.Malformed, "%s is no file of ssovault", path).
		With("inspect shows sealed files, backups, exported keys, shares, sks.properties, and the files in run/")
}

// inspectPlain shows a file that holds no secret: JSON as it is, properties as
// they are, or as a flat object.
func inspectPlain(out io.Writer, b []byte, asJSON bool) error {
	if !asJSON || json.Valid(b) {
		_, err := out.Write(b)
		return err
	}
	set, err := properties.Parse(b)
	if err != nil {
		return err
	}
	return printJSON(out, flat(set))
}

func inspectSealed(out io.Writer, f encp.File, asJSON bool) error {
	if !asJSON {
		_, err := out.Write(f.AAD[:len(f.AAD)-1]) // less the empty line
		return err
	}
	v := map[string]any{
		"file": f.File, "instance": f.Header.Instance, "generation": f.Generation, "save_id": f.SaveID, "time": f.Time,
		"key_label": f.KeyLabel, "key_id": f.KeyID, "iv": f.IV.String(), "body_length": f.BodyLength, "digest": "ok",
	}
	for name, bound := range map[string]encp.Bound{"key_store": f.KeyStore, "metadata": f.Metadata} {
		if bound.Name != "" {
			v[name] = map[string]string{"name": bound.Name, "sha256": fmt.Sprintf("%x", bound.SHA256)}
		}
	}
	return printJSON(out, v)
}

// inspectArchive shows the manifest of a backup, or for whom age encrypted what
// may be one.
func inspectArchive(out io.Writer, path string, file *os.File, asJSON bool) error {
	archive, err := backup.OpenFile(file, backup.Keys{})
	if err == nil {
		defer archive.Close()
		return printManifest(out, archive.Manifest, asJSON)
	}
	if !locked(err) {
		return fault.Wrap(fault.Malformed, err, "%s", path)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	stanzas, err := ageStanzas(file)
	if err != nil {
		return fault.Wrap(fault.Malformed, err, "%s", path)
	}
	if asJSON {
		return printJSON(out, map[string]any{"encrypted": "age", "recipients": stanzas})
	}
	_, err = fmt.Fprintf(out, "encrypted with age, for: %s\n", strings.Join(stanzas, ", "))
	return err
}

// maxAgeHeader bounds the header of an age file.
const maxAgeHeader = 64 << 10

// ageStanzas names the kinds of recipients that an age file is for, one for
// each, as its header does (age-encryption.org/v1): "X25519", "scrypt" for a
// passphrase.
func ageStanzas(r io.Reader) (kinds []string, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxAgeHeader))
	if err != nil {
		return nil, err
	}
	header, _, whole := bytes.Cut(b, []byte("\n--- "))
	if !whole {
		return nil, errors.New("the header of an age file that does not end")
	}
	for line := range strings.Lines(string(header)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "->" {
			kinds = append(kinds, oneLine(words[1]))
		}
	}
	slices.Sort(kinds)
	return kinds, nil
}

// inspectExported shows an exported key less the wrapped bytes, which say
// nothing.
func inspectExported(out io.Writer, x hsm.Exported, asJSON bool) error {
	if asJSON {
		return printJSON(out, map[string]any{
			"mechanism": x.Mechanism, "key_type": x.Type, "key_bits": x.Bits, "label": x.Label, "attributes": x.Attributes.String(),
			"kcv": x.KCV, "wrapper_label": x.WrapperLabel, "wrapper_kcv": x.WrapperKCV, "digest": "ok",
		})
	}
	text, err := x.Encode()
	if err != nil {
		return err
	}
	header, _, _ := bytes.Cut(text, []byte("\n\n"))
	_, err = out.Write(append(header, '\n'))
	return err
}

// inspectShare shows what everybody may know of a share.
func inspectShare(out io.Writer, s recovery.Share, asJSON bool) error {
	if asJSON {
		return printJSON(out, map[string]any{
			"share": s.Index, "threshold": s.Shares.Threshold, "count": s.Shares.Count, "instance": s.Instance,
			"dealt": s.Dealt, "set": s.Set.String(), "signer": s.Signer.String(),
		})
	}
	text := s.Text()
	defer clear(text)
	header, _, _ := bytes.Cut(text, []byte("\n\n"))
	_, err := out.Write(append(bytes.Clone(header), '\n'))
	return err
}
