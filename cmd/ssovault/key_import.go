package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
)

// importOptions are the flags of key import.
type importOptions struct {
	generateOptions
	wrapFlags
	keepID string // in hexadecimal
}

// importReport is what key import prints.
type importReport struct {
	Imported bool         `json:"imported"`
	Present  bool         `json:"already_present"`
	Token    string       `json:"token"`
	Serial   string       `json:"serial"`
	Key      keyReport    `json:"key"`
	Exported exportReport `json:"exported"`
}

func (a *app) keyImportCommand() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILE --token TOKEN --unwrap WRAPPER",
		Short: "Import a key that was exported",
		Long: `Import brings a key that 'ssovault key export' wrote into a token, where WRAPPER unwraps it.
The KCV of WRAPPER is compared with the file's, then the key is unwrapped into the session
and its KCV compared; only then is it stored. FILE may be - for standard input.

The label is the file's, unless --label says it. Nothing proves the one in the file: on a
terminal it is to be confirmed, else there is a warning, unless --label is given. The attributes are those of
--attributes, by default as a sealing key has them: E and D, not extractable. Those in the
file are only shown, since nothing in it vouches for them. A key of that label with the
same KCV that is there already is left as it is: "already present", exit 0.

The key gets a new id, or that of --id: a folder finds its sealing key by the id that
'ssovault key show' tells of the key that was exported. An id that a key has already, and
a key that is there under another id, are refused.

` + lettersHelp,
		Example: `  ssovault key import payments.key --token hsm2 --unwrap KEK1
  ssovault key import payments.key --token hsm2 --unwrap KEK1 --label payments-old --attributes D
  ssovault key import sealing.key --token hsm2 --unwrap KEK1 --id 93b541c3b823cdd21a982df8e8599c33`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("id") && o.keepID == "" {
				return fault.New(fault.Usage, "--id is empty").With("say the id in hexadecimal, or leave --id away for a new one")
			}
			return a.importKey(cmd.Context(), args[0], o)
		},
	}
	o.generateOptions.register(c)
	o.registerAttributes(c)
	c.Flags().StringVar(&o.keepID, "id", "", "the CKA_ID, in `hexadecimal`, that the key is to have (default a new one)")
	o.wrapFlags.register(c, "unwrap", "`label` of the key to unwrap with")
	return c
}

// readExported reads the file.
func (a *app) readExported(path string) (x hsm.Exported, err error) {
	var b []byte
	if path == "-" {
		b, err = io.ReadAll(io.LimitReader(a.in, hsm.MaxExported+1))
		err = fault.Wrap(durable.Cause(err), err, "read standard input")
	} else {
		b, err = given(durable.Read(path, hsm.MaxExported))
	}
	if err != nil {
		return x, err
	}
	x, err = hsm.ParseExported(b)
	return x, fault.Wrap(fault.Malformed, err, "%s", path)
}

func (a *app) importKey(ctx context.Context, path string, o importOptions) error {
	if o.wrapper == "" {
		return fault.New(fault.Usage, "key import needs --unwrap with the label of the key to unwrap with")
	}
	x, err := a.readExported(path)
	if err != nil {
		return err
	}
	if x.Mechanism == hsm.DES3ECB && !o.legacy {
		return fault.New(fault.Usage, "%s is wrapped by Triple-DES, which guards against no change", path).With("say --legacy-3des if it comes from a device that knows nothing else")
	}
	if o.label == "" {
		if err := o.name([]string{x.Label}); err != nil {
			return err
		}
		if err := a.takeLabel(ctx, path, x); err != nil {
			return err
		}
	}
	o.kind, o.bits = string(x.Type), x.Bits
	k, err := o.newKey(true)
	if err == nil && o.keepID != "" {
		k.ID, err = parseID(o.keepID)
	}
	if err != nil {
		return err
	}
	d := &desk{app: a, flags: o.tokenFlags, role: sks.RoleUser}
	defer d.end()
	r := importReport{Exported: reportOfExported(path, x)}
	if path != "-" {
		r.Exported.File, _ = filepath.Abs(path)
	}
	made, err := d.store(ctx, &k, func(v *visit) (made admin.Key, err error) {
		r.Token, r.Serial = v.token.Label, v.token.Serial
		if made, r.Present, err = v.present(ctx, k.Label, x.KCV); err == nil && o.keepID != "" {
			err = v.keepsID(ctx, k, made, r.Present)
		}
		if err != nil || r.Present {
			return made, err
		}
		wrapper, err := v.wrapper(ctx, o.wrapFlags)
		if err != nil {
			return made, err
		}
		kcv, err := v.tellsWrapper(wrapper)
		if err != nil {
			return made, err
		}
		if !kcv.Equal(x.WrapperKCV) {
			return made, fault.New(fault.WrongKey, "the KCV of the key %s in the token %s is %s, and the file was wrapped under %s, KCV %s",
				wrapper, oneLine(v.token.String()), kcv, oneLine(x.WrapperLabel), x.WrapperKCV).
				Because("the file was wrapped under another key").
				With("nothing was stored; name the wrapping key of that KCV with --unwrap, or enter it: 'ssovault key enter'")
		}
		if wrapper.Known.Has(hsm.Unwrap) && !wrapper.Attributes.Has(hsm.Unwrap) {
			return made, fault.New(fault.Usage, "the key %s may not unwrap: it lacks %s", wrapper, hsm.Unwrap.Names())
		}
		if err := v.noTwin(ctx, k.Attributes, x.KCV.String()); err != nil {
			return made, err
		}
		return v.Unwrap(ctx, k, x.Wrapped, wrapper, x.Mechanism, x.KCV)
	})
	if err != nil {
		return a.orNoWrap(ctx, o.tokenFlags, err)
	}
	r.Imported, r.Key = !r.Present, reportOf(made)
	if o.asJSON {
		return printJSON(a.out, r)
	}
	if r.Present {
		fmt.Fprintf(a.out, "already present: %s\n", oneLine(made.Label))
	} else {
		fmt.Fprintf(a.out, "imported into the token %s:\n", oneLine(r.Token))
	}
	if err := r.Key.print(a.out); err != nil {
		return err
	}
	if r.Exported.Attributes != r.Key.Attributes {
		_, err = fmt.Fprintf(a.out, "attributes in the file, not taken: %s\n", r.Exported.Attributes)
	}
	return err
}

// takeLabel says that the label is the file's own word, which a person confirms
// where one sits. Cause Interrupted where it is not confirmed.
func (a *app) takeLabel(ctx context.Context, path string, x hsm.Exported) error {
	what := fmt.Sprintf("the label %q stands in %s, and nothing proves it: whoever altered the file could make its digest fit", x.Label, path)
	if !a.attended() {
		a.warn(what + "; --label says which key is meant")
		return nil
	}
	return a.confirm(ctx, false, strings.ToUpper(what[:1])+what[1:]+". Is that the key that is meant, KCV "+x.KCV.String())
}

// present tells whether the key is there already; another one of its label is
// refused.
func (v *visit) present(ctx context.Context, label string, kcv hsm.KCV) (k admin.Key, is bool, err error) {
	there, err := v.secretKeys(ctx, label)
	if err != nil || len(there) == 0 {
		return k, false, err
	}
	if len(there) == 1 && there[0].KCV == kcv.String() {
		return there[0], true, nil
	}
	if len(there) == 1 && there[0].KCV == "" {
		return k, false, fault.New(fault.Usage, "the token %s has a key %s, and does not tell its KCV: whether it is this one cannot be seen", oneLine(v.token.String()), there[0]).
			With("nothing was stored; take another label, or make sure which key that is")
	}
	return k, false, v.absent(ctx, label)
}

// maxID is the most bytes that an id may have; ours have 16.
const maxID = 64

// parseID reads --id.
func parseID(s string) ([]byte, error) {
	id, err := hex.DecodeString(s)
	if err != nil || len(id) > maxID {
		return nil, fault.New(fault.Usage, "--id %q: it is 1 to %d bytes in hexadecimal", s, maxID).With("'ssovault key show' tells the id of a key")
	}
	return id, nil
}

// keepsID refuses the id of a key that is wanted where another key has it, or
// where the key is there under another one.
func (v *visit) keepsID(ctx context.Context, k admin.NewKey, there admin.Key, present bool) error {
	if present {
		if slices.Equal(there.ID, k.ID) {
			return nil
		}
		return fault.New(fault.Usage, "the token %s has the key %q under another id, %x", oneLine(v.token.String()), k.Label, there.ID).
			With("nothing was stored; remove that one first where nothing needs it: 'ssovault key delete', of a sealing key 'ssovault key retire'")
	}
	all, err := v.Keys(ctx, "", false)
	for _, one := range all {
		if err == nil && slices.Equal(one.ID, k.ID) {
			err = fault.New(fault.Usage, "the token %s has a key of that id: %s", oneLine(v.token.String()), one).
				With("nothing was stored; whoever looks for the key by its id would find two")
		}
	}
	return err
}
