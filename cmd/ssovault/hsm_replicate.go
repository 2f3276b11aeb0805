package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/sks"
)

// pairFlags name two tokens.
type pairFlags struct {
	from, to         string
	library          string
	fromPIN, toPIN   string
	fromFlag, toFlag string // of those sources
}

func (p *pairFlags) registerPINs(c *cobra.Command, one, two string) {
	p.fromFlag, p.toFlag = one, two
	f := c.Flags()
	f.StringVar(&p.library, "library", "", "PKCS#11 `library` of both, unless a URI names another")
	f.StringVar(&p.fromPIN, one, "", "PIN `source` of the first token (default --pin-source)")
	f.StringVar(&p.toPIN, two, "", "PIN `source` of the second token (default --pin-source)")
}

func (p pairFlags) both() (from, to tokenFlags) {
	return tokenFlags{token: p.from, library: p.library, userSource: p.fromPIN, userFlag: p.fromFlag},
		tokenFlags{token: p.to, library: p.library, userSource: p.toPIN, userFlag: p.toFlag}
}

// replicateOptions are the flags of hsm replicate.
type replicateOptions struct {
	pairFlags
	keys       []string
	replicable bool
	yes        bool
	asJSON     bool
}

// What became of a key.
const (
	stateReplicated = "replicated"
	statePresent    = "already present"
	stateOtherID    = "present under another id"
	stateOther      = "another key has that label"
)

// replicaReport is a key of hsm replicate.
type replicaReport struct {
	Label string `json:"label"`
	ID    string `json:"id"`
	KCV   string `json:"kcv"`
	State string `json:"state"`
	// OtherID is that of the same key in the second token, where it is another.
	OtherID string `json:"other_id,omitempty"`
}

// replicateReport is what hsm replicate prints.
type replicateReport struct {
	From tokenName       `json:"from"`
	To   tokenName       `json:"to"`
	Keys []replicaReport `json:"keys"`
}

func nameOf(t admin.Token) tokenName { return tokenName{t.Label, t.Serial} }

func (n tokenName) String() string { return fmt.Sprintf("%s (serial %s)", oneLine(n.Label), n.Serial) }

func (a *app) hsmReplicateCommand() *cobra.Command {
	var o replicateOptions
	c := &cobra.Command{
		Use:   "replicate --from TOKEN --to TOKEN2",
		Short: "Bring replicable keys into another token",
		Long: `Replicate wraps each replicable key of the first token under the second one's identity,
which the first must trust ('ssovault hsm identity'), and unwraps it there, with its label
and its id. The KCVs are compared. A key that is there already is left as it is, so the
command may be given again at any time; a key that is made or changed later is not followed.
A sealing key that is there under another id is refused: its folder would not find it.

Without --key all keys go that leave under trusted keys only. A key that is not extractable
is refused: it moves by the device's own cloning. In the second token the keys are not
extractable, unless --replicable lets them go on from there.`,
		Example: `  ssovault hsm replicate --from hsm1 --to hsm2
  ssovault hsm replicate --from hsm1 --to 'pkcs11:serial=2dab1c31d14861dd' --key payments --yes`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.from == "" || o.to == "" {
				return fault.New(fault.Usage, "hsm replicate needs --from and --to")
			}
			r, err := a.replicate(cmd.Context(), o)
			if r == nil {
				return err
			}
			printErr := r.print(a, o.asJSON)
			if err == nil {
				err = printErr
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.from, "from", "", "the `token` that has the keys")
	f.StringVar(&o.to, "to", "", "the `token` that is to have them")
	o.registerPINs(c, "from-pin-source", "to-pin-source")
	f.StringArrayVar(&o.keys, "key", nil, "only the key of this `label`; may be given again")
	f.BoolVar(&o.replicable, "replicable", false, "the keys can leave the second token in the same way")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

func (r *replicateReport) print(a *app, asJSON bool) error {
	if asJSON {
		return printJSON(a.out, r)
	}
	fmt.Fprintf(a.out, "from %s\nto   %s\n", r.From, r.To)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LABEL\tKCV\tSTATE")
	for _, k := range r.Keys {
		fmt.Fprintf(w, "%s\t%s\t%s\n", oneLine(k.Label), k.KCV, strings.TrimSpace(k.State+" "+k.OtherID))
	}
	return w.Flush()
}

// onItsWay is a key between two tokens, wrapped in every way that the first
// offers.
type onItsWay struct {
	admin.Key
	kcv   hsm.KCV
	wraps []wrapped
}

type wrapped struct {
	how  hsm.Mechanism
	text []byte
}

func (a *app) replicate(ctx context.Context, o replicateOptions) (*replicateReport, error) {
	from, to := o.both()
	target, peer, err := a.ofPeer(ctx, to, false)
	if err != nil {
		return nil, err
	}
	d := &desk{app: a, flags: to, role: sks.RoleUser}
	d.flags.serial = target.Serial
	defer d.end()
	r := &replicateReport{To: nameOf(target), Keys: []replicaReport{}}
	keys, err := a.leaving(ctx, from, receiver{d, target, peer}, o, r)
	if err != nil {
		return nil, err
	}
	var first error
	for _, k := range keys {
		state, otherID, err := d.receive(ctx, k, peer, o.replicable)
		if err != nil && fault.Of(err) != fault.WrongKey {
			return r, err
		}
		if first == nil {
			first = err
		}
		r.Keys = append(r.Keys, replicaReport{k.Label, fmt.Sprintf("%x", k.ID), k.KCV, state, otherID})
	}
	return r, first
}

// receiver is the token that is to have the keys.
type receiver struct {
	desk  *desk
	token admin.Token
	peer  identity
}

// leaving wraps the keys in the first token. Who is asked whether they may go has
// been told which; and nothing is wrapped for a token whose private key may be
// outside.
func (a *app) leaving(ctx context.Context, from tokenFlags, to receiver, o replicateOptions, r *replicateReport) (all []onItsWay, err error) {
	v, err := a.visit(ctx, from)
	if err != nil {
		return nil, err
	}
	r.From = nameOf(v.token)
	if v.Close(); r.From.Serial == to.token.Serial {
		return nil, fault.New(fault.Usage, "--from and --to are the same token: %s", r.To)
	}
	d := &desk{app: a, flags: from, role: sks.RoleUser}
	d.flags.serial = r.From.Serial
	defer d.end()
	var chosen []admin.Key
	err = d.with(ctx, func(v *visit) (err error) {
		_, chosen, err = v.going(ctx, to.token, to.peer, o.keys)
		return err
	})
	if err != nil || len(chosen) == 0 {
		return nil, err
	}
	if err := a.confirm(ctx, o.yes, fmt.Sprintf("%s from %s to %s: %s. Go on", countOf(len(chosen)), r.From, r.To, labels(chosen))); err != nil {
		return nil, err
	}
	if err := to.desk.with(ctx, func(v *visit) error { return v.vouched(ctx, to.peer) }); err != nil {
		return nil, err
	}
	err = d.with(ctx, func(v *visit) (err error) {
		all, err = v.wrapped(ctx, to.token, to.peer, o.keys)
		return err
	})
	return all, err
}

// going chooses the keys, and finds what they are to be wrapped under.
func (v *visit) going(ctx context.Context, target admin.Token, peer identity, named []string) (trusted identity, chosen []admin.Key, err error) {
	if trusted, err = v.trusted(ctx, target, peer); err == nil {
		chosen, err = v.replicable(ctx, named)
	}
	return trusted, chosen, err
}

// wrapped wraps the keys.
func (v *visit) wrapped(ctx context.Context, target admin.Token, peer identity, named []string) ([]onItsWay, error) {
	trusted, chosen, err := v.going(ctx, target, peer, named)
	if err != nil {
		return nil, err
	}
	var all []onItsWay
	for _, k := range chosen {
		one := onItsWay{Key: k}
		if one.kcv, err = v.tells(k); err != nil {
			return nil, err
		}
		for _, how := range []hsm.Mechanism{admin.OAEP256, admin.OAEP1} {
			var text []byte
			if _, text, err = v.Wrap(ctx, k, trusted.Key, how, false); err == nil {
				one.wraps = append(one.wraps, wrapped{how, text})
			} else if v.Ailing() || fault.Of(err) == fault.Unreachable {
				return nil, err
			}
		}
		if len(one.wraps) == 0 {
			return nil, fault.Wrap(fault.Usage, err, "the key %s", k)
		}
		all = append(all, one)
	}
	return all, nil
}

// labels names keys in a question.
func labels(keys []admin.Key) string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = oneLine(k.Label)
	}
	return strings.Join(all, ", ")
}

// trusted finds the target's identity among those that the security officer
// vouched for.
func (v *visit) trusted(ctx context.Context, target admin.Token, peer identity) (identity, error) {
	all, err := v.identities(ctx, begins(peerLabel))
	for _, one := range all {
		if err == nil && one.Attributes.Has(hsm.Trusted|hsm.Wrap) && one.public.Equal(peer.public) {
			return one, nil
		}
	}
	if err == nil {
		err = fault.New(fault.Usage, "the token %s does not trust the identity of %s", oneLine(v.token.String()), oneLine(target.String())).
			With("its security officer does that: 'ssovault hsm identity trust --token " + v.token.Serial + " --peer " + target.Serial + "'")
	}
	return identity{}, err
}

// replicable chooses the keys: those that are named, or all that can go.
func (v *visit) replicable(ctx context.Context, labels []string) (chosen []admin.Key, err error) {
	all, err := v.secretKeys(ctx, "")
	if err != nil {
		return nil, err
	}
	if len(labels) == 0 {
		return slices.DeleteFunc(all, func(k admin.Key) bool {
			return leaves(k) != leavesTrusted || k.Type != string(hsm.AES) && k.Type != string(hsm.DES3)
		}), nil
	}
	for _, label := range labels {
		k, err := v.key(ctx, keyFlags{label: label}, true)
		if err != nil {
			return nil, err
		}
		how := leaves(k)
		switch {
		case k.Class != admin.SecretKey || k.Type != string(hsm.AES) && k.Type != string(hsm.DES3):
			return nil, fault.New(fault.Usage, "%s is a %s %s key; secret AES and DES3 keys can be replicated", k, k.Class, k.Type)
		case how == leavesNot:
			return nil, fault.New(fault.Usage, "the key %s is not extractable: it never leaves the token %s", k, oneLine(v.token.String())).
				With("that is fixed when a key is made; the device's own cloning (a Luna's HA group, ProtectServer's replication) moves such keys")
		case how != leavesTrusted:
			return nil, fault.New(fault.Usage, "the key %s leaves under any key, not under trusted ones alone", k).With("'ssovault key export' wraps it; 'ssovault key generate --replicable' makes keys that move this way")
		}
		chosen = append(chosen, k)
	}
	return chosen, nil
}
