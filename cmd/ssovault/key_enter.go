package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/secret"
)

// enterOptions are the flags of key enter.
type enterOptions struct {
	newcomerOptions
	count int
	files []string
	kcv   string
}

// enterReport is what key enter prints. It never holds a component.
type enterReport struct {
	Token      string    `json:"token"`
	Serial     string    `json:"serial"`
	Present    bool      `json:"already_present"` // and no component was looked at
	Components []hsm.KCV `json:"component_kcvs"`
	Key        keyReport `json:"key"`
}

func (a *app) keyEnterCommand() *cobra.Command {
	var o enterOptions
	c := &cobra.Command{
		Use:   "enter LABEL --token TOKEN --count N",
		Short: "Enter a key by its components",
		Long: `Enter takes in the components of a key, one custodian after the other, and stores their
XOR as a key. On a terminal they are typed blind, a block at a time or as many as you like;
a block with its two check digits is checked at once, and without them the KCV checks the
component as a whole. Each custodian compares his KCV, and all compare that of the key.

--component FILE takes a component from a file each, which nobody else may read (0600): the
component, then its KCV, a line each; or the text of his sheet as 'ssovault key components'
wrote it. Standard input that is no terminal is read as such lines. Then --kcv says the KCV that
the key must have; on a terminal it is shown and confirmed.

Nothing is stored before all is right. --as so makes a wrapper that is trusted
(CKA_TRUSTED), not private, and only wraps: keys that only trusted keys may wrap leave
under it. Enter the same components with --attributes U where they are to arrive.

A key of that label that is there already, with the same KCV, is left as it is: "already
present", exit 0, nobody types anything, and components that were given are not looked at.
A key of that label of another type or length is refused.

` + lettersHelp,
		Example: `  ssovault key enter KEK1 --token hsm2 --count 3 --attributes U
  ssovault key enter KEK1 --token hsm1 --count 3 --as so
  ssovault key enter KEK1 --token hsm2 --component a.txt --component b.txt --type des3 --kcv 88496A # as the sheets say
  ssovault key components KEK1 --token hsm2 --count 2 --attributes U >/run/user/0/kek
  ssovault key enter KEK1 --token hsm1 --as so --kcv "$(ssovault key kcv KEK1 --token hsm2)" </run/user/0/kek`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			return a.enterKey(cmd, o)
		},
	}
	o.register(c)
	f := c.Flags()
	f.IntVar(&o.count, "count", 0, "`number` of components")
	f.StringArrayVar(&o.files, "component", nil, "take a component from this `file`; once for each")
	f.StringVar(&o.kcv, "kcv", "", "the `KCV` that the key must have")
	return c
}

// check refuses what would be refused later, when people have typed.
func (o enterOptions) check(a *app) (want *hsm.KCV, err error) {
	typed := len(o.files) == 0 && a.attended()
	if o.kcv != "" {
		k, err := hsm.ParseKCV(o.kcv)
		if err != nil {
			return nil, fault.Wrap(fault.Usage, err, "--kcv")
		}
		want = &k
	}
	switch {
	case typed && (o.count < hsm.MinComponents || o.count > hsm.MaxComponents):
		return nil, fault.New(fault.Usage, "key enter needs --count: %d to %d", hsm.MinComponents, hsm.MaxComponents)
	case len(o.files) > 0 && o.count != 0 && o.count != len(o.files):
		return nil, fault.New(fault.Usage, "--count %d, but %d files", o.count, len(o.files))
	case want == nil && !a.attended():
		return nil, fault.New(fault.Usage, "which KCV must the key have? Nobody is there to compare it").With("say it with --kcv")
	}
	if len(o.files) == 0 {
		err = redirected(a.in, openComponent)
	}
	return want, err
}

// redirected refuses a file that standard input or output leads to, and that
// others may read. Cause NotPermitted; then says what else is to be done.
func redirected(f *os.File, then string) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil // a pipe, a terminal, or nothing at all
	}
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		path = f.Name()
	}
	return durable.Private(info, path, os.Geteuid(), 0o077, then)
}

func (a *app) enterKey(cmd *cobra.Command, o enterOptions) error {
	ctx := cmd.Context()
	k, role, err := o.wanted(cmd)
	if err != nil {
		return err
	}
	want, err := o.check(a)
	if err != nil {
		return err
	}
	d := &desk{app: a, flags: o.tokenFlags, role: role}
	defer d.end()
	t, is, present, err := d.already(ctx, k, want)
	if err == nil && present {
		err = a.printEntered(enterReport{Token: t.Label, Serial: t.Serial, Present: true, Components: []hsm.KCV{}, Key: reportOf(is)}, t, o.asJSON, len(o.files) > 0 || !a.attended())
	}
	if err != nil || present {
		return err
	}
	if t, err = d.prepare(ctx, k, want, false); err != nil {
		return err
	}
	parts, err := a.take(ctx, o, k.Type, k.Bits)
	defer func() { hsm.WipeAll(parts) }()
	if err != nil {
		return err
	}
	r := enterReport{Token: t.Label, Serial: t.Serial}
	for _, part := range parts {
		kcv, err := part.KCV()
		if err != nil {
			return err
		}
		r.Components = append(r.Components, kcv)
	}
	key, err := hsm.Combine(parts)
	if err != nil {
		return o.from(err)
	}
	defer key.Wipe()
	kcv, err := key.KCV()
	if err != nil {
		return err
	}
	if want != nil {
		err = key.Check(*want)
	} else {
		var same bool
		if same, err = a.sameOnSheets(ctx, fmt.Sprintf("The KCV of the key is %s", kcv), kcv.String()); err == nil && !same {
			err = fault.New(fault.Interrupted, "the KCV was not confirmed: nothing was stored")
		}
	}
	if err != nil {
		return err
	}
	made, err := d.place(ctx, k, key, kcv, false)
	if err != nil {
		return err
	}
	r.Key = reportOf(made)
	return a.printEntered(r, t, o.asJSON, false)
}

// printEntered prints it; given: components came otherwise than by somebody's
// typing.
func (a *app) printEntered(r enterReport, t admin.Token, asJSON, given bool) error {
	if asJSON {
		return printJSON(a.out, r)
	}
	if r.Present {
		fmt.Fprintf(a.out, "already present: %s\n", oneLine(r.Key.Label))
	} else {
		fmt.Fprintf(a.out, "stored in the token %s:\n", oneLine(t.String()))
	}
	err := r.Key.print(a.out)
	if err == nil && r.Present && given {
		_, err = fmt.Fprintln(a.out, "the components that were given were not looked at")
	}
	return err
}

// take gives the components, to be wiped, also with an error.
func (a *app) take(ctx context.Context, o enterOptions, t hsm.KeyType, bits int) ([]hsm.Component, error) {
	switch {
	case len(o.files) > 0:
		return fromFiles(o.files, t, bits)
	case a.attended():
		return a.typed(ctx, o.count, t, bits)
	}
	b, err := io.ReadAll(io.LimitReader(a.in, hsm.MaxLines+1))
	defer secret.Wipe(b)
	if err != nil {
		return nil, fault.Wrap(durable.Cause(err), err, "read the components from standard input")
	}
	if len(b) == 0 {
		return nil, fault.New(fault.Usage, "standard input holds no component")
	}
	if hsm.IsSheet(b) {
		return nil, fault.New(fault.Usage, "standard input holds a sheet").With("name each custodian's sheet with --component FILE")
	}
	parts, err := hsm.ParseLines(t, bits, b)
	if err == nil && o.count != 0 && o.count != len(parts) {
		err = fault.New(fault.Usage, "--count %d, but %d components came", o.count, len(parts))
	}
	return parts, err
}

// fromFiles reads a component from each file.
func fromFiles(files []string, t hsm.KeyType, bits int) (all []hsm.Component, err error) {
	for i, path := range files {
		// What is no file may be the component itself: it is not repeated.
		if there, err := durable.Exists(path); err == nil && !there && len(path) >= 16 && strings.Trim(path, "0123456789abcdefABCDEF- ") == "" {
			return all, fault.New(fault.Usage, "--component %d of %d names no file", i+1, len(files)).
				With("a component never stands on a command line: it comes from a file, from standard input, or is typed; if this was one, it is no secret any more")
		}
		b, err := given(durable.ReadPrivate(path, hsm.MaxLines, os.Geteuid(), openComponent))
		if err == nil && len(b) == 0 {
			err = fault.New(fault.Usage, "%s is empty: it holds no component", path)
		}
		if err != nil {
			return all, err
		}
		parts, err := inFile(t, bits, b)
		secret.Wipe(b)
		all = append(all, parts...)
		if err == nil && len(parts) != 1 {
			err = fault.New(fault.Usage, "it holds %d components; a file holds one custodian's", len(parts))
		}
		if err != nil {
			return all, fault.Wrap(fault.Usage, err, "%s", path)
		}
	}
	return all, nil
}

// inFile reads what stands in a custodian's file: lines, or his sheet as it is.
func inFile(t hsm.KeyType, bits int, b []byte) ([]hsm.Component, error) {
	switch {
	case hsm.IsSheet(b):
		one, err := hsm.ParseSheet(t, bits, b)
		if err != nil {
			return nil, err
		}
		return []hsm.Component{one}, nil
	case bytes.HasPrefix(b, []byte("<")):
		return nil, fault.New(fault.Usage, "it is a drawing or a page, not a component: name the sheet that ends in .txt, or a file with the component on one line and its KCV on the next")
	}
	return hsm.ParseLines(t, bits, b)
}

// from says which file a component came from, where files were named.
func (o enterOptions) from(err error) error {
	var all []string
	for i, path := range o.files {
		all = append(all, fmt.Sprintf("component %d from %s", i+1, path))
	}
	if len(all) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", joined(all), err)
}

// openComponent is what to do about a component in a file that others can read.
const openComponent = "where the medium knows no modes, copy it into a folder in memory (/run/user/…); if others may have read it, make new components and a new key: 'ssovault key components'"

// given gives what was read of a file that a person named.
func given(b []byte, err error) ([]byte, error) {
	var missing *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &missing):
		err = fault.New(fault.Usage, "there is no file %s", missing.Path)
	case fault.Of(err) == fault.Malformed:
		err = (&fault.Error{Cause: fault.Malformed, Err: err}).With("nothing was changed; it is another file than is meant")
	case fault.Of(err) == fault.NotPermitted && !errors.Is(err, fs.ErrPermission) && durable.NotAFile(err):
		err = (&fault.Error{Cause: fault.NotPermitted, Err: err}).With("name the file itself, a regular one; what another program gives goes to standard input")
	}
	return b, err
}
