package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"ssovault/internal/durable"
	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
)

// wrapFlags name the key that wraps or unwraps.
type wrapFlags struct {
	wrapper, id string
	legacy      bool
}

func (w *wrapFlags) register(c *cobra.Command, flag, usage string) {
	f := c.Flags()
	f.StringVar(&w.wrapper, flag, "", usage)
	f.StringVar(&w.id, "wrapper-id", "", "the wrapping key's CKA_ID in `hexadecimal`, where several have the label")
	f.BoolVar(&w.legacy, "legacy-3des", false, "allow a Triple-DES wrapper, for a device that knows nothing else")
}

// exportOptions are the flags of key export.
type exportOptions struct {
	keyFlags
	wrapFlags
	output string
}

// exportReport is what key export and key import print of an exported key.
type exportReport struct {
	File       string        `json:"file"`
	Mechanism  hsm.Mechanism `json:"mechanism"`
	Label      string        `json:"label"`
	Type       hsm.KeyType   `json:"type"`
	Bits       int           `json:"bits"`
	Attributes string        `json:"attributes"`
	KCV        hsm.KCV       `json:"kcv"`
	Wrapper    string        `json:"wrapper"`
	WrapperKCV hsm.KCV       `json:"wrapper_kcv"`
}

func reportOfExported(path string, x hsm.Exported) exportReport {
	return exportReport{path, x.Mechanism, x.Label, x.Type, x.Bits, x.Attributes.String(), x.KCV, x.WrapperLabel, x.WrapperKCV}
}

func (a *app) keyExportCommand() *cobra.Command {
	var o exportOptions
	c := &cobra.Command{
		Use:   "export LABEL --token TOKEN --wrap WRAPPER -o FILE",
		Short: "Export a key wrapped under another one",
		Long: `Export writes a key to a text file, wrapped inside the token under the AES key WRAPPER:
by RFC 5649, else by RFC 3394. Which number the token has for that is found out by a trial
with keys that end with the session. The file also says the label, the type, and the KCVs
of both keys; docs/FORMAT.md describes it.

The key must be extractable (X); one made with --replicable, or with X alone, leaves under
a trusted wrapper only ('ssovault key enter --as so' makes one). FILE is never overwritten;
- is standard output.

A Triple-DES wrapper encrypts block by block and guards against no change; it takes
--legacy-3des.`,
		Example: `  ssovault key export payments --token hsm1 --wrap KEK1 -o payments.key
  ssovault key export payments --token hsm1 --wrap KEK1 -o - | ssh other ssovault key import - --token hsm2 --unwrap KEK1`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeLabels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			return a.exportKey(cmd.Context(), o)
		},
	}
	o.registerID(c)
	o.wrapFlags.register(c, "wrap", "`label` of the key to wrap under")
	c.Flags().StringVarP(&o.output, "output", "o", "", "the `file` to write; - is standard output")
	return c
}

func (a *app) exportKey(ctx context.Context, o exportOptions) error {
	path := o.output
	switch {
	case o.wrapper == "":
		return fault.New(fault.Usage, "key export needs --wrap with the label of the key to wrap under")
	case path == "":
		return fault.New(fault.Usage, "key export needs -o with the file to write")
	case path == "-" && o.asJSON:
		return fault.New(fault.Usage, "--json and -o - would both write to standard output")
	case path != "-":
		var err error
		if path, err = newFile(path); err != nil {
			return err
		}
	}
	v, err := a.enter(ctx, o.tokenFlags)
	if err != nil {
		return err
	}
	x, err := v.export(ctx, o)
	_ = v.Close() // what was asked of it came, or did not
	if err != nil {
		return a.orNoWrap(ctx, o.tokenFlags, err)
	}
	text, err := x.Encode()
	if err != nil {
		return err
	}
	if path == "-" {
		_, err = a.out.Write(text)
		return err
	}
	if err := durable.Create(path, text); err != nil {
		return err
	}
	if err := durable.SyncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	a.log.Info().Str("command", a.command).Str("token", v.token.Label).Str("serial", v.token.Serial).
		Str("label", x.Label).Str("wrapper", x.WrapperLabel).Str("file", path).Msg("key exported")
	if o.asJSON {
		return printJSON(a.out, reportOfExported(path, x))
	}
	_, err = fmt.Fprintf(a.out, "exported: %s, KCV %s, wrapped by %s under %s, KCV %s\nwritten: %s\n",
		oneLine(x.Label), x.KCV, x.Mechanism, oneLine(x.WrapperLabel), x.WrapperKCV, path)
	return err
}

// newFile gives the absolute path of a file that is to be made.
func newFile(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "find %s", path)
	}
	if there, err := durable.Exists(filepath.Dir(abs)); err != nil || !there {
		return "", fault.New(fault.Usage, "there is no folder %s", filepath.Dir(abs))
	}
	there, err := durable.Exists(abs)
	if err == nil && there {
		err = fault.New(fault.Usage, "%s is there already, and is never overwritten", abs).With("name another file")
	}
	return abs, err
}

// export wraps the key.
func (v *visit) export(ctx context.Context, o exportOptions) (x hsm.Exported, err error) {
	k, err := v.key(ctx, o.keyFlags, true)
	if err != nil {
		return x, err
	}
	wrapper, err := v.wrapper(ctx, o.wrapFlags)
	if err != nil {
		return x, err
	}
	wrapperKCV, err := v.tellsWrapper(wrapper)
	if err != nil {
		return x, err
	}
	if x.KCV, err = v.mayLeave(k, wrapper); err != nil {
		return x, err
	}
	x.Type, x.Bits, x.Label, x.Attributes = hsm.KeyType(k.Type), int(k.Bits), k.Label, k.Attributes
	x.WrapperLabel, x.WrapperKCV = wrapper.Label, wrapperKCV
	if x.Mechanism, x.Wrapped, err = v.Wrap(ctx, k, wrapper, "", o.legacy); err != nil {
		return x, err
	}
	if x.Bits == 0 {
		x.Bits = x.Mechanism.KeyBits(len(x.Wrapped)) // SoftHSM keeps no length of a key that was unwrapped
	}
	if is, with := strength(k.Type, x.Bits), strength(wrapper.Type, int(wrapper.Bits)); with > 0 && with < is {
		v.warn(fmt.Sprintf("the wrapping key (%s, %d bits) is weaker than the key (%s, %d bits), which is then no stronger", wrapper.Type, wrapper.Bits, k.Type, x.Bits))
	}
	return x, nil
}

// wrapper finds the secret key that wraps or unwraps.
func (v *visit) wrapper(ctx context.Context, w wrapFlags) (admin.Key, error) {
	named := keyFlags{label: w.wrapper, id: w.id, class: string(admin.SecretKey), by: choosers{id: "--wrapper-id"}}
	k, err := v.key(ctx, named, true)
	if fault.Of(err) != fault.KeyMissing {
		return k, err
	}
	named.class = ""
	if k, err = v.key(ctx, named, true); err == nil {
		err = fault.New(fault.Usage, "%s is a %s key: keys are wrapped under secret keys here", k, k.Class).With("'ssovault hsm replicate' moves keys under the other token's public key")
	}
	return k, err
}

// tells gives the KCV of a key, or says what it takes to have one.
func (v *visit) tells(k admin.Key) (kcv hsm.KCV, err error) {
	if k.KCV == "" {
		return kcv, fault.New(fault.Usage, "the token %s tells no check value of the key %s, and it cannot be calculated", oneLine(v.token.String()), k).
			With("it takes a key that may encrypt (E), and AES-ECB or DES3-ECB: 'ssovault hsm mechanisms' shows whether the token offers it")
	}
	return hsm.ParseKCV(k.KCV)
}

// mayLeave says, before the token does, why a key does not leave; and its KCV.
func (v *visit) mayLeave(k, wrapper admin.Key) (kcv hsm.KCV, err error) {
	secretKey := k.Class == admin.SecretKey && (k.Type == string(hsm.AES) || k.Type == string(hsm.DES3))
	has := func(k admin.Key, what hsm.Attributes) bool { return !k.Known.Has(what) || k.Attributes.Has(what) }
	switch {
	case !secretKey:
		err = fault.New(fault.Usage, "%s is a %s %s key; secret AES and DES3 keys can be wrapped", k, k.Class, k.Type)
	case k.Handle == wrapper.Handle:
		err = fault.New(fault.Usage, "the key %s cannot wrap itself", k)
	case !has(k, hsm.Extractable):
		err = fault.New(fault.Usage, "the key %s is not extractable: it never leaves the token %s", k, oneLine(v.token.String())).
			With("that is fixed when a key is made; such keys move by the device's own cloning or backup, or were made of components")
	case !has(wrapper, hsm.Wrap):
		err = fault.New(fault.Usage, "the key %s may not wrap: it lacks %s", wrapper, hsm.Wrap.Names())
	case k.Attributes.Has(hsm.TrustedWrapOnly) && !wrapper.Attributes.Has(hsm.Trusted):
		err = fault.New(fault.Usage, "the key %s leaves under trusted keys only, and %s is not trusted", k, wrapper).
			With("'ssovault key enter --as so' makes a trusted wrapper; only the security officer can")
	}
	if err != nil {
		return kcv, err
	}
	return v.tells(k)
}
