package main

import (
	"context"
	"crypto/subtle"
	"fmt"

	"github.com/spf13/cobra"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/hsm/admin"
	"ssovault/internal/pin"
	"ssovault/internal/sks"
)

// trustOptions are the flags of hsm identity trust.
type trustOptions struct {
	tokenFlags
	peer        string
	peerPIN     string // source
	fingerprint string
	asJSON      bool
}

func (a *app) identityTrustCommand() *cobra.Command {
	var o trustOptions
	c := &cobra.Command{
		Use:   "trust --token TOKEN --peer TOKEN2",
		Short: "Mark another token's identity as trusted, as security officer",
		Long: `Trust stores the public key of the peer's identity in TOKEN with CKA_TRUSTED, which only the
security officer can set: keys that only trusted keys may wrap then leave for the peer.

The fingerprint has to be typed as somebody read it at the peer ('ssovault hsm identity
create' and 'list' show it there), or said by --fingerprint. It is not shown here: whoever
compares it with itself learns nothing.

Without a login to the peer nothing is seen of the private key. Whoever has it outside reads
every key that leaves for the peer: make sure that the pair was made there by 'ssovault hsm
identity create', which also refuses one that was not. With --peer-pin-source, or a
pin-source in the peer's URI, the private key is looked at here, as the peer's user.`,
		Example: `  ssovault hsm identity trust --token hsm1 --peer hsm2
  ssovault hsm identity trust --token hsm1 --peer 'pkcs11:token=hsm2' --fingerprint "$(cat hsm2.fingerprint)" --so-pin-source file:so.pin
  ssovault hsm identity trust --token hsm1 --peer hsm2 --peer-pin-source prompt`,
		Args: noWords,
		RunE: func(cmd *cobra.Command, _ []string) error {
			i, present, err := a.trust(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.printIdentity(i, present, o.asJSON)
		},
	}
	o.register(c)
	o.registerSO(c)
	f := c.Flags()
	f.StringVar(&o.peer, "peer", "", "the `token` whose identity is to be trusted")
	f.StringVar(&o.peerPIN, "peer-pin-source", "", "log in to the peer with the user PIN of this `source`, to look at its private key")
	f.StringVar(&o.fingerprint, "fingerprint", "", "the peer's `fingerprint`, as it was read there")
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// ofPeer says which token the peer is, and where its user PIN comes from, if it is
// to be used. That of --pin-source is not the peer's.
func (o trustOptions) ofPeer() (tokenFlags, error) {
	flags := tokenFlags{token: o.peer, library: o.library, userSource: o.peerPIN, userFlag: "peer-pin-source"}
	u, _, err := flags.uri()
	if err != nil {
		return flags, fault.Wrap(fault.Usage, err, "--peer")
	}
	if flags.userSource == "" && u.PINSource != (pin.Source{}) {
		flags.userSource = u.PINSource.String()
	}
	return flags, nil
}

func (a *app) trust(ctx context.Context, o trustOptions) (made identity, present bool, err error) {
	if o.peer == "" {
		return made, false, fault.New(fault.Usage, "hsm identity trust needs --peer with the token to trust")
	}
	var want []byte
	if o.fingerprint != "" {
		if want, err = parseFingerprint(o.fingerprint); err != nil {
			return made, false, fault.Wrap(fault.Usage, err, "--fingerprint")
		}
	} else if !a.attended() {
		return made, false, fault.New(fault.Usage, "the fingerprint of the peer has to be typed, and standard input is no terminal").With("say it with --fingerprint")
	}
	flags, err := o.ofPeer()
	if err != nil {
		return made, false, err
	}
	t, peer, err := a.ofPeer(ctx, flags, flags.userSource != "")
	if err != nil {
		return made, false, err
	}
	is, err := peer.fingerprint()
	if err == nil && want == nil {
		want, err = a.typedFingerprint(ctx, t.String())
	}
	if err != nil {
		return made, false, err
	}
	if subtle.ConstantTimeCompare(is, want) != 1 {
		return made, false, fault.New(fault.Usage, "the fingerprint of the token %s is another one", oneLine(t.String())).
			With("nothing was changed; it is another token, or a digit is wrong: read it again at the peer, with 'ssovault hsm identity list'")
	}
	d := &desk{app: a, flags: o.tokenFlags, role: sks.RoleSO}
	defer d.end()
	key := admin.NewKey{Label: peerLabel + t.Serial, ID: is[:16]}
	made.public = peer.public
	made.Key, err = d.store(ctx, &key, func(v *visit) (k admin.Key, err error) {
		if v.token.Serial == t.Serial {
			return k, fault.New(fault.Usage, "the token %s would trust itself", oneLine(t.String()))
		}
		if k, present, err = v.trusts(ctx, t, peer); err != nil || present {
			return k, err
		}
		return v.Trust(ctx, key.Label, key.ID, peer.public)
	})
	return made, present, err
}

// trusts finds the peer's identity among those that are trusted. Another one of
// the same peer is refused.
func (v *visit) trusts(ctx context.Context, t admin.Token, peer identity) (k admin.Key, is bool, err error) {
	there, err := v.identities(ctx, labelled(peerLabel+t.Serial))
	for _, one := range there {
		if err == nil && one.public.Equal(peer.public) && one.Attributes.Has(hsm.Trusted) {
			return one.Key, true, nil
		}
	}
	if err == nil && len(there) > 0 && !there[0].Attributes.Has(hsm.Trusted) {
		return k, false, fault.New(fault.Usage, "the token %s has a key %q that is not trusted: no security officer made it", oneLine(v.token.String()), there[0].Label).
			With(fmt.Sprintf("delete it first: 'ssovault key delete %q --id %x --class public --token %s'", there[0].Label, there[0].ID, v.token.Serial))
	}
	if err == nil && len(there) > 0 {
		err = fault.New(fault.Usage, "the token %s trusts another identity of %s", oneLine(v.token.String()), oneLine(t.String())).
			With(fmt.Sprintf("if the peer was initialised anew, delete the old one first: its label is %q", peerLabel+t.Serial))
	}
	return k, false, err
}

// typedFingerprint lets the security officer type what he was told.
func (a *app) typedFingerprint(ctx context.Context, peer string) ([]byte, error) {
	q, err := a.questions(ctx)
	if err != nil {
		return nil, err
	}
	defer q.close()
	q.say("The fingerprint of the token %s, as somebody read it there.", oneLine(peer))
	answer, err := q.ask("Fingerprint", "")
	if err != nil {
		return nil, err
	}
	return parseFingerprint(answer)
}
