package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/properties"
	"ssovault/internal/recovery"
	"ssovault/internal/vault"
)

// maxImport is the largest file that import reads: two property files in JSON,
// where one byte can take six.
const maxImport = 6 * 2 * properties.MaxSize

func (a *app) exportCommand() *cobra.Command {
	var o selection
	c := &cobra.Command{
		Use:   "export",
		Short: "Print all settings, unsealed, for import elsewhere",
		Long: `Export prints both files as JSON, or one as .properties text, to standard output:
ssovault itself writes nothing unsealed to a disk. Import reads it back.`,
		Example: `  ssovault export | age -r age1… > settings.age
  ssovault export --file shared --format properties | ssh other ssovault import --file shared -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(a); err != nil {
				return err
			}
			return a.printSettings(cmd.Context(), o, access{})
		},
	}
	o.flags(c, "json")
	return c
}

func (a *app) importCommand() *cobra.Command {
	var file string
	var merge bool
	c := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Replace the settings by exported ones",
		Long: `Import reads what export wrote: JSON of both files, or with --file one file as
JSON or .properties text. It replaces the settings, in one save; --merge keeps
those that the import does not name. The instance number, and the key store and
metadata with their names, stay those of this instance.`,
		Example: `  ssovault import settings.json
  ssovault import --merge --file shared extra.properties`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" && file != "instance" && file != "shared" {
				return fault.New(fault.Usage, "--file is instance or shared, not %q", file)
			}
			if args[0] == "-" {
				if err := a.hideFirst(); err != nil {
					return err
				}
			}
			in, err := a.readExport(cmd.Context(), args[0], file)
			if err != nil {
				return err
			}
			return a.change(cmd.Context(), access{}, func(_ *session, save *vault.Save) (bool, error) {
				was := snapshot(save.Settings)
				if err := adopt(&save.Settings.Instance, in.Instance, merge); err != nil {
					return false, err
				}
				if err := adopt(&save.Settings.Shared, in.Shared, merge); err != nil {
					return false, err
				}
				if err := checkEdited(was, save.Settings); err != nil {
					return false, err
				}
				return !was.equal(save.Settings), nil
			})
		},
	}
	c.Flags().StringVar(&file, "file", "", "the import is this file alone: instance or shared")
	c.Flags().BoolVar(&merge, "merge", false, "keep settings that the import does not name")
	return c
}

// kept are the settings that belong to the instance and not to an import.
var keptKeys = append([]string{"instance_number", "ssl_file", "saml_file"}, recovery.Keys()...)

// adopt replaces the settings of one file by imported ones; nil imports none.
func adopt(present **properties.Set, in *properties.Set, merge bool) error {
	if in == nil {
		return nil
	}
	next := in.Clone()
	if merge {
		next = (*present).Clone()
		for _, key := range in.Keys() {
			value, _ := in.Get(key)
			if err := next.Set(key, value); err != nil {
				return fault.Wrap(fault.Usage, err, "%s", key)
			}
		}
	}
	for _, key := range keptKeys {
		mine, have := (*present).Get(key)
		if !have {
			next.Unset(key)
		} else if err := next.Set(key, mine); err != nil {
			return err
		}
	}
	for _, key := range next.Keys() {
		if (*present).IsPublic(key) {
			if err := next.MarkPublic(key); err != nil {
				return err
			}
		}
	}
	*present = next
	return nil
}

// readExport reads an export from a file, or from standard input for "-". A
// file that it does not hold is nil.
func (a *app) readExport(ctx context.Context, path, file string) (s vault.Settings, err error) {
	b, err := a.readInput(ctx, path, maxImport)
	if err != nil {
		if fault.Of(err) == fault.Interrupted {
			return s, err
		}
		return s, &fault.Error{Op: "read the import", Cause: fault.Usage, Err: err}
	}
	defer clear(b)
	if file != "" {
		set, err := oneFile(b)
		if err != nil {
			return s, fault.Wrap(fault.Usage, err, "the import")
		}
		if file == "instance" {
			s.Instance = set
		} else {
			s.Shared = set
		}
		return s, nil
	}
	var both struct{ Instance, Shared map[string]string }
	if err := strictJSON(b, &both); err != nil {
		return s, fault.New(fault.Usage, "the import is not what 'ssovault export' writes: %v", err).
			With("for one file alone, and for .properties text, say which it is: --file instance or --file shared")
	}
	if both.Instance == nil && both.Shared == nil {
		return s, fault.New(fault.Usage, "the import holds neither instance nor shared settings")
	}
	if s.Instance, err = setOf(both.Instance); err != nil {
		return s, err
	}
	s.Shared, err = setOf(both.Shared)
	return s, err
}

// readInput reads a file that somebody names on the command line, which may be
// a pipe, or standard input for "-". A signal breaks it off.
func (a *app) readInput(ctx context.Context, path string, limit int64) ([]byte, error) {
	type outcome struct {
		b   []byte
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		if path == "-" {
			o.b, o.err = readLimited(a.in, limit)
		} else {
			o.b, o.err = readNamed(path, limit)
		}
		done <- o
	}()
	select {
	case o := <-done:
		return o.b, o.err
	case <-ctx.Done():
		return nil, fault.New(fault.Interrupted, "interrupted")
	}
}

// readNamed reads a file that an administrator named. Links are followed, as
// certificate tools keep the current file behind one.
func readNamed(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, limit)
}

func readLimited(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return b, err
}

// oneFile reads a flat JSON object or .properties text.
func oneFile(b []byte) (*properties.Set, error) {
	var values map[string]string
	if json.Valid(b) {
		if err := strictJSON(b, &values); err != nil {
			return nil, err
		}
		return setOf(values)
	}
	return properties.Parse(b)
}

func strictJSON(b []byte, v any) error {
	if len(b) == 0 {
		return errors.New("it is empty")
	}
	if err := noKeyTwice(b); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after it")
	}
	return nil
}

// setOf makes a set of a map, in the order of its keys; nil of nil.
func setOf(values map[string]string) (*properties.Set, error) {
	if values == nil {
		return nil, nil
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	set := &properties.Set{}
	for _, key := range keys {
		if err := set.Set(key, values[key]); err != nil {
			return nil, fault.Wrap(fault.Usage, err, "%s", key)
		}
	}
	return set, nil
}

// checkEdited makes sure that settings which were edited as text are still an
// instance's: known ones valid and in their file, none of its own changed.
func checkEdited(was before, now vault.Settings) error {
	if err := sameRecovery(was, now); err != nil {
		return err
	}
	for _, known := range properties.Schema() {
		mine, other, old := now.Instance, now.Shared, was.instance
		if known.File == properties.Shared {
			mine, other, old = now.Shared, now.Instance, was.shared
		}
		if _, misplaced := other.Get(known.Key); misplaced {
			return fault.New(fault.Usage, "%s belongs to the %s file", known.Key, known.File)
		}
		value, have := mine.Get(known.Key)
		before, had := old.Get(known.Key)
		switch {
		case value == before && have == had:
			continue
		case known.Key == "instance_number":
			return fault.New(fault.Usage, "instance_number is what the sealed files and the key are known by; it does not change")
		case known.Copied != "":
			return fault.New(fault.Usage, "%s changes only by 'ssovault set %s=FILE', which takes the file in", known.Key, known.Key)
		case !have && !known.Optional:
			return fault.New(fault.Usage, "%s is missing: the service needs it", known.Key)
		case !have:
			continue
		}
		normal, err := known.Normalize(value)
		if err != nil {
			return fault.Wrap(fault.Usage, err, "%s", known.Key)
		}
		if err := mine.Set(known.Key, normal); err != nil {
			return fmt.Errorf("%s: %w", known.Key, err)
		}
	}
	return nil
}
