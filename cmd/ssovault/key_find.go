package main

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
)

// keyFlags say which key in which token a command is about.
type keyFlags struct {
	tokenFlags
	label, id, class string
	asJSON           bool
	kcv              kcvFlag
	byID             bool // an id alone names a key too
	by               choosers
}

func (k *keyFlags) register(c *cobra.Command) {
	k.tokenFlags.register(c)
	c.Flags().StringVar(&k.label, "label", "", "the key's `label`")
	c.Flags().BoolVar(&k.asJSON, "json", false, "print JSON")
}

// registerID is for commands about a key that is there.
func (k *keyFlags) registerID(c *cobra.Command) {
	k.register(c)
	k.byID, k.by = true, choosers{id: "--id", class: "--class", kcv: "--kcv"}
	c.Flags().Var((*idFlag)(&k.id), "id", "the key's CKA_ID in `hexadecimal`, where several have the label, or none")
	c.Flags().StringVar(&k.class, "class", "", "the key's `class`, where several have the label and the id: secret, private or public")
	c.Flags().Var(&k.kcv, "kcv", "the key's check value, where several have the label, the id and the class, or none")
}

// name takes the label, which may stand for itself on the command line or in
// the token's URI.
func (k *keyFlags) name(args []string) error {
	u, _, err := k.uri()
	if err != nil {
		return fault.Wrap(fault.Usage, err, "--token")
	}
	for _, named := range append(args, u.Object) {
		switch {
		case named == "" || named == k.label:
		case k.label != "":
			return fault.New(fault.Usage, "the key is named twice: %q and %q", named, k.label)
		default:
			k.label = named
		}
	}
	if k.id == "" && len(u.ID) > 0 {
		k.id = hex.EncodeToString(u.ID)
	}
	if err := checkClass(k.class); err != nil {
		return err
	}
	switch {
	case k.label == "" && k.byID && k.id != "":
		return nil
	case k.label == "":
		return fault.New(fault.Usage, "which key is meant?").With("name it by its label; 'ssovault key list' shows them")
	}
	return fault.Wrap(fault.Usage, sks.CheckLabel(k.label), "the label %q", k.label)
}

func checkClass(class string) error {
	switch admin.Class(class) {
	case "", admin.SecretKey, admin.PrivateKey, admin.PublicKey:
		return nil
	}
	return fault.New(fault.Usage, "--class %q: it is secret, private or public", class)
}

// kcvFlag is a check value that was given, in capitals; "" is none. An empty
// one, of a shell's variable that is not set say, is refused.
type kcvFlag string

func (k *kcvFlag) String() string { return string(*k) }

// Type implements pflag.Value.
func (k *kcvFlag) Type() string { return "KCV" }

// Set implements pflag.Value.
func (k *kcvFlag) Set(text string) error {
	kcv, err := hsm.ParseKCV(text)
	if err == nil {
		*k = kcvFlag(kcv.String())
	}
	return err
}

// idFlag is a CKA_ID that was given, in hexadecimal. An empty one is refused, as
// an empty check value is.
type idFlag string

func (i *idFlag) String() string { return string(*i) }

// Type implements pflag.Value.
func (i *idFlag) Type() string { return "hexadecimal" }

// Set implements pflag.Value.
func (i *idFlag) Set(text string) error {
	id, err := hex.DecodeString(text)
	if err != nil || len(id) == 0 {
		return errors.New("a CKA_ID is given as hexadecimal digits, two for each byte")
	}
	*i = idFlag(hex.EncodeToString(id))
	return nil
}

// enter goes to the token and logs in as the user. The caller closes the visit.
func (a *app) enter(ctx context.Context, flags tokenFlags) (*visit, error) {
	v, err := a.visit(ctx, flags)
	if err != nil {
		return nil, err
	}
	if err := v.login(ctx, sks.RoleUser); err != nil {
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

// key finds the one key that is meant. Causes KeyMissing, Usage where several have
// the label, KeyAmbiguous where they have the id too.
func (v *visit) key(ctx context.Context, k keyFlags, calculate bool) (admin.Key, error) {
	all, err := v.Keys(ctx, k.label, calculate || k.kcv != "")
	if err != nil {
		return admin.Key{}, err
	}
	all = slices.DeleteFunc(all, func(one admin.Key) bool { return k.id != "" && !strings.EqualFold(k.id, hex.EncodeToString(one.ID)) })
	var found []admin.Key
	for _, one := range all {
		if (k.class == "" || k.class == string(one.Class)) && (k.kcv == "" || one.KCV == string(k.kcv)) {
			found = append(found, one)
		}
	}
	switch {
	case len(found) == 1, len(found) > 1 && k.kcv != "" && same(found):
		return found[0], nil // whichever of several that are one key
	case len(found) > 1 && !calculate && k.kcv == "":
		return v.key(ctx, k, true)
	case len(found) > 1:
		return admin.Key{}, several(found, k.by)
	case len(all) > 0:
		return admin.Key{}, fault.New(fault.KeyMissing, "the token %s has no key %s%s, but %s", oneLine(v.token.String()), k.named(), k.narrowed(), toldApart(all)).
			With("'ssovault key list --token " + v.token.Serial + "' shows those that are there")
	}
	return admin.Key{}, fault.New(fault.KeyMissing, "there is no key %s in the token %s", k.named(), oneLine(v.token.String())).
		With("'ssovault key list --token " + v.token.Serial + "' shows those that are there")
}

// named says which key was named.
func (k keyFlags) named() string {
	if k.label == "" {
		return "of id " + k.id
	}
	return strconv.Quote(k.label)
}

// print prints what became of a key.
func (v *visit) print(k admin.Key, asJSON bool) error {
	if asJSON {
		return printJSON(v.out, reportOf(k))
	}
	return reportOf(k).print(v.out)
}

// completeLabels completes the labels of keys that a login is not needed to see:
// none, since keys are private. It keeps the shell from offering file names.
func completeLabels(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// lettersHelp says the letters of --attributes.
const lettersHelp = `The letters are the manual's: P private, M modifiable, T sensitive, W wrap, w export,
I import, U unwrap, X extractable, x exportable, R derive, E encrypt, D decrypt, S sign,
V verify, L sign local certificates. w, x, I and L are ProtectServer's own.`

// parseLetters reads --attributes.
func parseLetters(letters string) (hsm.Attributes, error) {
	a, err := hsm.ParseAttributes(letters)
	return a, fault.Wrap(fault.Usage, err, "--attributes")
}
