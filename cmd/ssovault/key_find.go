package main

import (
	"context"
	"encoding/hex"
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
	byID             bool // an id alone names a key too
}

func (k *keyFlags) register(c *cobra.Command) {
	k.tokenFlags.register(c)
	c.Flags().StringVar(&k.label, "label", "", "the key's `label`")
	c.Flags().BoolVar(&k.asJSON, "json", false, "print JSON")
}

// registerID is for commands about a key that is there.
func (k *keyFlags) registerID(c *cobra.Command) {
	k.register(c)
	k.byID = true
	c.Flags().StringVar(&k.id, "id", "", "the key's CKA_ID in `hexadecimal`, where several have the label, or none")
	c.Flags().StringVar(&k.class, "class", "", "the key's `class`, where several have the label and the id: secret, private or public")
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
	switch admin.Class(k.class) {
	case "", admin.SecretKey, admin.PrivateKey, admin.PublicKey:
	default:
		return fault.New(fault.Usage, "--class %q: it is secret, private or public", k.class)
	}
	switch {
	case k.label == "" && k.byID && k.id != "":
		return nil
	case k.label == "":
		return fault.New(fault.Usage, "which key is meant?").With("name it by its label; 'ssovault key list' shows them")
	}
	return fault.Wrap(fault.Usage, sks.CheckLabel(k.label), "the label %q", k.label)
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

// key finds the one key that is meant. Causes KeyMissing, KeyAmbiguous.
func (v *visit) key(ctx context.Context, k keyFlags, calculate bool) (admin.Key, error) {
	all, err := v.Keys(ctx, k.label, calculate)
	if err != nil {
		return admin.Key{}, err
	}
	var found []admin.Key
	var names []string
	for _, one := range all {
		if (k.id == "" || strings.EqualFold(k.id, hex.EncodeToString(one.ID))) && (k.class == "" || k.class == string(one.Class)) {
			found, names = append(found, one), append(names, string(one.Class)+" key "+one.String())
		}
	}
	switch len(found) {
	case 0:
		return admin.Key{}, fault.New(fault.KeyMissing, "there is no key %s in the token %s", k.named(), oneLine(v.token.String())).
			With("'ssovault key list --token " + v.token.Serial + "' shows those that are there")
	case 1:
		return found[0], nil
	}
	return admin.Key{}, fault.New(fault.KeyAmbiguous, "several keys are meant: %s", joined(names)).With("name one by its id (--id), or by its class (--class)")
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
