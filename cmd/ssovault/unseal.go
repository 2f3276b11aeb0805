package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/launch"
	"ssovault/internal/properties"
	"ssovault/internal/vault"
)

// selection says which settings to print, and how.
type selection struct {
	file, format string
	reveal       bool
}

func (o *selection) flags(c *cobra.Command, format string) {
	c.Flags().StringVar(&o.file, "file", "", "only this file: instance or shared")
	c.Flags().StringVar(&o.format, "format", format, "properties, json or env")
	c.Flags().BoolVar(&o.reveal, "reveal", false, "print secrets to a terminal")
}

func (o *selection) check(a *app) error {
	if o.file != "" && o.file != "instance" && o.file != "shared" {
		return fault.New(fault.Usage, "--file is instance or shared, not %q", o.file)
	}
	if o.format != "properties" && o.format != "json" && o.format != "env" {
		return fault.New(fault.Usage, "--format is properties, json or env, not %q", o.format)
	}
	if a.toTerminal() && !o.reveal {
		return fault.New(fault.Usage, "standard output is a terminal: secrets would be shown").
			With("redirect the output, or say --reveal")
	}
	return nil
}

func (a *app) unsealCommand() *cobra.Command {
	var o selection
	var withoutKeyStore bool
	c := &cobra.Command{
		Use:   "unseal",
		Short: "Print the unsealed settings",
		Long: `Unseal prints the settings to standard output: as .properties text, as JSON
(a flat object with sorted keys, or one for each file), or as quoted assignments
SSOVAULT_P_<NAME>='value' that a shell reads. Without --file it prints instance,
then shared.`,
		Example: `  ssovault unseal --file shared --format json | jq -r .sso_domain
  eval "$(ssovault unseal --format env)"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(a); err != nil {
				return err
			}
			return a.printSettings(cmd.Context(), o, access{bound: boundFor(withoutKeyStore)})
		},
	}
	o.flags(c, "properties")
	c.Flags().BoolVar(&withoutKeyStore, "without-keystore", false, "go on although the key store or the metadata is missing")
	return c
}

// printSettings is what unseal and export do.
func (a *app) printSettings(ctx context.Context, o selection, need access) error {
	need.use = vault.Read
	s, err := a.openSettings(ctx, need)
	if err != nil {
		return err
	}
	defer s.close()
	if s.plain, err = s.plain.WithoutRecovery(); err != nil {
		return err
	}
	return o.print(a.out, s)
}

// print writes the settings of an open session.
func (o *selection) print(w io.Writer, s *session) error {
	if o.format == "properties" {
		text := append([]byte(nil), s.plain.Instance...)
		switch o.file {
		case "":
			if n := len(text); n > 0 && text[n-1] != '\n' {
				text = append(text, '\n')
			}
			text = append(text, s.plain.Shared...)
		case "shared":
			text = append(text[:0], s.plain.Shared...)
		}
		defer clear(text)
		_, err := w.Write(text)
		return err
	}
	set, err := s.settings()
	if err != nil {
		return err
	}
	if o.format == "json" {
		var v any = map[string]any{"instance": flat(set.Instance), "shared": flat(set.Shared)}
		switch o.file {
		case "instance":
			v = flat(set.Instance)
		case "shared":
			v = flat(set.Shared)
		}
		return printJSON(w, v)
	}
	sets := []*properties.Set{set.Instance, set.Shared}
	switch o.file {
	case "instance":
		sets = sets[:1]
	case "shared":
		sets = sets[1:]
	}
	env, err := launch.Variables(sets...)
	if err != nil {
		return err
	}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if _, err := fmt.Fprintf(w, "%s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`)); err != nil {
			return err
		}
	}
	return nil
}

// flat gives a set as a map; encoding/json sorts its keys.
func flat(set *properties.Set) map[string]string {
	m := make(map[string]string, set.Len())
	for _, key := range set.Keys() {
		m[key], _ = set.Get(key)
	}
	return m
}

// printJSON writes v indented, without escaping what only HTML needs escaped.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
