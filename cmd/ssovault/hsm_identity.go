package main

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// Labels of identities: a token's own pair, and the public key of another token
// that is trusted. The token's serial number follows.
const (
	ownLabel  = "ssovault identity "
	peerLabel = "ssovault peer "
)

// identity is an RSA key by which tokens know each other.
type identity struct {
	admin.Key
	public *rsa.PublicKey
}

// fingerprint is the SHA-256 of the public key as X.509 has it.
func (i identity) fingerprint() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(i.public)
	sum := sha256.Sum256(der)
	return sum[:], err
}

// shown gives a fingerprint as people read it to each other.
func shown(fingerprint []byte) string {
	var groups []string
	for digits := hex.EncodeToString(fingerprint); digits != ""; digits = digits[4:] {
		groups = append(groups, digits[:4])
	}
	return strings.Join(groups, " ")
}

// parseFingerprint reads what shown gives, also with colons or no blanks.
func parseFingerprint(s string) ([]byte, error) {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", ":", "").Replace(s))
	if err != nil || len(b) != sha256.Size {
		return nil, fault.New(fault.Usage, "a fingerprint has %d hexadecimal digits", 2*sha256.Size)
	}
	return b, nil
}

// identityReport is an identity as it is printed.
type identityReport struct {
	Label       string `json:"label"`
	ID          string `json:"id"`
	Bits        uint   `json:"bits"`
	Trusted     bool   `json:"trusted"`
	Fingerprint string `json:"fingerprint"`
	Present     bool   `json:"already_present"`
	// MadeHere is told of the token's own: nil where the token does not.
	MadeHere *bool `json:"made_here,omitempty"`
}

func (i identity) report(present bool) (r identityReport, err error) {
	f, err := i.fingerprint()
	r = identityReport{i.Label, hex.EncodeToString(i.ID), i.Bits, i.Attributes.Has(hsm.Trusted), shown(f), present, nil}
	if strings.HasPrefix(i.Label, ownLabel) {
		r.MadeHere = pastOf(i.Key).MadeHere
	}
	return r, err
}

func (a *app) hsmIdentityCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "identity",
		Short: "Let tokens know each other, for replication",
		Long: `Each token has an RSA pair whose private key never leaves it. The security officer of the
token that keys come from marks the other token's public key as trusted, after he was told
its fingerprint by somebody who read it at that token. Keys made with --replicable then
leave under it, and under nothing that the holder of the user PIN could bring along.`,
		Example: `  ssovault hsm identity create --token hsm2
  ssovault hsm identity trust --token hsm1 --peer hsm2
  ssovault hsm identity list --token hsm1`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{a.identityCreateCommand(), a.identityTrustCommand(), a.identityListCommand()} {
		withExitStatus(sub)
		c.AddCommand(sub)
	}
	return c
}

func (a *app) identityCreateCommand() *cobra.Command {
	var flags tokenFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "create --token TOKEN",
		Short: "Make the RSA pair of a token, and show its fingerprint",
		Long: `Create makes the pair in the token, unless it has one. A pair that is there is looked at: its
private key must have been made in the token, always have been sensitive and never
extractable, and only unwrap. Another one, say one that was imported, is refused: somebody
may have it outside, and with it whatever is replicated to this token.`,
		Example: `  ssovault hsm identity create --token hsm2
  ssovault hsm identity create --token hsm2 --json | jq -r .fingerprint`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i, present, err := a.createIdentity(cmd.Context(), flags)
			if err != nil {
				return err
			}
			return a.printIdentity(i, present, asJSON)
		},
	}
	flags.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// createIdentity makes the pair unless there is one. One that was not made so is
// refused (cause Usage).
func (a *app) createIdentity(ctx context.Context, flags tokenFlags) (i identity, present bool, err error) {
	d := &desk{app: a, flags: flags, role: sks.RoleUser}
	defer d.end()
	id := sks.NewKeyID()
	pair := admin.NewKey{ID: id[:]}
	_, err = d.store(ctx, &pair, func(v *visit) (made admin.Key, err error) {
		if i, present, err = v.own(ctx); err == nil && present {
			err = v.vouched(ctx, i)
		}
		if err != nil || present {
			return i.Key, err
		}
		pair.Label = ownLabel + v.token.Serial
		if made, err = v.Pair(ctx, pair.Label, pair.ID); err == nil {
			i.Key = made
			i.public, err = v.Public(ctx, made)
		}
		return made, err
	})
	return i, present, err
}

func (a *app) printIdentity(i identity, present, asJSON bool) error {
	r, err := i.report(present)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(a.out, r)
	}
	if present {
		fmt.Fprintln(a.out, "already present")
	}
	_, err = fmt.Fprintf(a.out, "%s, %d bits\nfingerprint %s\n", oneLine(r.Label), r.Bits, r.Fingerprint)
	return err
}

// guest opens a session with a token without a login. The caller closes it.
func (a *app) guest(ctx context.Context, flags tokenFlags) (*visit, error) {
	v, err := a.visit(ctx, flags)
	if err != nil {
		return nil, err
	}
	if err = v.ready(); err == nil {
		_, err = v.Login(ctx, admin.Login{Serial: v.token.Serial, Slot: v.token.Slot, Role: admin.Guest,
			Serialise: sks.VendorOf(v.device.library, v.token.Token).Serialise}, secret.Value{})
	}
	if err != nil {
		_ = v.Close()
		return nil, err
	}
	return v, nil
}

// identities lists the public keys of identities, those whose label is meant. A
// user can make others of such a label: what is too short for an identity is only
// warned of.
func (v *visit) identities(ctx context.Context, meant func(label string) bool) (all []identity, err error) {
	keys, err := v.Keys(ctx, "", false)
	for _, k := range keys {
		if err != nil || k.Class != admin.PublicKey || k.Type != "rsa" || !meant(k.Label) {
			continue
		}
		i := identity{Key: k}
		switch i.public, err = v.Public(ctx, k); {
		case fault.Of(err) == fault.Usage:
			v.warn(fmt.Sprintf("the key %s is no identity, whatever its label says: %v; 'ssovault key delete' removes it", k, err))
			err = nil
		default:
			all = append(all, i)
		}
	}
	return all, err
}

// begins and labelled say which labels are meant.
func begins(with string) func(string) bool {
	return func(label string) bool { return strings.HasPrefix(label, with) }
}

func labelled(exactly string) func(string) bool {
	return func(label string) bool { return label == exactly }
}

// own gives the token's own identity, if it has one.
func (v *visit) own(ctx context.Context) (i identity, there bool, err error) {
	all, err := v.identities(ctx, labelled(ownLabel+v.token.Serial))
	switch {
	case err != nil || len(all) == 0:
		return i, false, err
	case len(all) > 1:
		return i, false, fault.New(fault.KeyAmbiguous, "the token %s has %d identities", oneLine(v.token.String()), len(all)).With("delete those that are not meant: 'ssovault key delete --id'")
	}
	return all[0], true, nil
}

// ofPeer reads the identity of another token, without a login or as its user: then
// the private key is looked at too.
func (a *app) ofPeer(ctx context.Context, flags tokenFlags, asUser bool) (t admin.Token, i identity, err error) {
	open := a.guest
	if asUser {
		open = a.enter
	}
	v, err := open(ctx, flags)
	if err != nil {
		return t, i, err
	}
	defer v.Close()
	i, there, err := v.own(ctx)
	if err == nil && !there {
		err = fault.New(fault.Usage, "the token %s has no identity", oneLine(v.token.String())).
			With("'ssovault hsm identity create --token " + v.token.Serial + "' makes one")
	}
	switch {
	case err != nil:
	case asUser:
		err = v.vouched(ctx, i)
	default:
		err = v.seen(i)
	}
	return v.token, i, err
}

func (a *app) identityListCommand() *cobra.Command {
	var flags tokenFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "list --token TOKEN",
		Short: "List a token's identity and those that it trusts",
		Long: `List shows the public keys, without a login. Of the token's own it warns where the public key
shows that 'ssovault hsm identity create' did not make it. Of the private key nothing is
seen: 'ssovault hsm identity create' looks at it, and makes nothing where there is one.`,
		Example: `  ssovault hsm identity list --token hsm1
  ssovault hsm identity list --token hsm1 --json`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := a.guest(cmd.Context(), flags)
			if err != nil {
				return err
			}
			defer v.Close()
			reports := []identityReport{}
			for _, begin := range []string{ownLabel, peerLabel} {
				all, err := v.identities(cmd.Context(), begins(begin))
				if err != nil {
					return err
				}
				for _, i := range all {
					if flaws := i.outsideFlaws(); begin == ownLabel && len(flaws) > 0 {
						a.warn(v.unsound(i, flaws).Error())
					}
					r, err := i.report(true)
					if err != nil {
						return err
					}
					reports = append(reports, r)
				}
			}
			if asJSON {
				return printJSON(a.out, reports)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "LABEL\tBITS\tTRUSTED\tFINGERPRINT")
			for _, r := range reports {
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", oneLine(r.Label), r.Bits, map[bool]string{true: "yes", false: "no"}[r.Trusted], r.Fingerprint)
			}
			return w.Flush()
		},
	}
	flags.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
