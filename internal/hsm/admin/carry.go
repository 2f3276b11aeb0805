package admin

import (
	"context"
	"crypto/rsa"
	"crypto/x509"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/isolate"
	"ssovault/internal/secret"
)

// A key goes from one token to another under the public key of the other's
// identity. SHA-256 is what RFC 8017 recommends; some tokens know SHA-1 alone,
// whose weakness takes nothing from OAEP.
const (
	OAEP256 hsm.Mechanism = "rsa-oaep-sha256"
	OAEP1   hsm.Mechanism = "rsa-oaep-sha1"
)

// carry says how a key comes into a token or leaves it.
type carry struct {
	Wrapper   uint // handle of the key that wraps or unwraps
	Mechanism hsm.Mechanism
	KCV       hsm.KCV // of the key that is to come out
	Legacy    bool    // Triple-DES may wrap
	Rehearsal bool    // the key ends with the session
}

func (c *carry) walk(f *isolate.Fields) {
	isolate.Number(f, &c.Wrapper)
	isolate.Text(f, &c.Mechanism)
	f.Bytes(c.KCV[:])
	f.Flag(&c.Legacy)
	f.Flag(&c.Rehearsal)
}

// Place stores a key that was made outside, of components. A key of the session
// is made first, and its check value compared: nothing is stored unless all is
// right. A rehearsal ends there. What is told of the key is read back from the
// token. Place wipes nothing. Causes Usage (the token does not take such a key),
// Unreachable; Unclassified where the token calculates another check value.
func (d *Device) Place(ctx context.Context, k NewKey, value secret.Value, kcv hsm.KCV, rehearsal bool) (Key, error) {
	resp, err := d.making(ctx, d.timeouts.Make, request{Op: opPlace, New: &k, Carry: &carry{KCV: kcv, Rehearsal: rehearsal}}, value.Bytes())
	return resp.key(err, opPlace)
}

// Wrap takes a key out of the token, wrapped under another one by the mechanism
// with. Where that is "" it is chosen by a trial: RFC 5649, else RFC 3394;
// Triple-DES only where legacy allows it. Causes Usage (no such mechanism, the key does not leave),
// Unreachable.
func (d *Device) Wrap(ctx context.Context, k, wrapper Key, with hsm.Mechanism, legacy bool) (hsm.Mechanism, []byte, error) {
	resp, out, err := d.ask(ctx, d.timeouts.Make, request{Op: opWrap, Handle: k.Handle,
		Carry: &carry{Wrapper: wrapper.Handle, Mechanism: with, Legacy: legacy}})
	return resp.Wrapped, out, err
}

// Unwrap brings a wrapped key into the token: first one of the session, whose
// check value must be kcv, then the key itself. Causes Tampered (it is no key
// wrapped so, or another one), Usage, Unreachable.
func (d *Device) Unwrap(ctx context.Context, k NewKey, wrapped []byte, wrapper Key, how hsm.Mechanism, kcv hsm.KCV) (Key, error) {
	resp, err := d.making(ctx, d.timeouts.Make, request{Op: opUnwrap, New: &k,
		Carry: &carry{Wrapper: wrapper.Handle, Mechanism: how, KCV: kcv}}, wrapped)
	return resp.key(err, opUnwrap)
}

// Pair makes an RSA pair whose private key unwraps and never leaves. Its public
// key is told. Causes Usage, Unreachable.
func (d *Device) Pair(ctx context.Context, label string, id []byte) (Key, error) {
	resp, err := d.making(ctx, d.timeouts.Make, request{Op: opPair, New: &NewKey{Label: label, ID: id, Type: "rsa", Bits: identityBits}})
	return resp.key(err, opPair)
}

// identityBits is the length of an identity: as strong as 128 bits (NIST SP
// 800-57, table 2), and OAEP wraps any key of ours under it.
const identityBits = 3072

// Public reads an RSA public key.
func (d *Device) Public(ctx context.Context, k Key) (*rsa.PublicKey, error) {
	_, out, err := d.ask(ctx, d.timeouts.Question, request{Op: opPublic, Handle: k.Handle})
	if err != nil {
		return nil, err
	}
	p, err := publicOf(out)
	return p, fault.Wrap(fault.Unreachable, err, "%s: the helper process answered nonsense", doing[opPublic])
}

// Trust stores a public key that the security officer, who is logged in, vouches
// for: keys that only trusted keys may wrap leave under it. Causes Usage,
// Unreachable.
func (d *Device) Trust(ctx context.Context, label string, id []byte, p *rsa.PublicKey) (Key, error) {
	resp, err := d.making(ctx, d.timeouts.Use, request{Op: opTrust, New: &NewKey{Label: label, ID: id, Type: "rsa", Bits: p.Size() * 8}},
		x509.MarshalPKCS1PublicKey(p))
	return resp.key(err, opTrust)
}

func publicOf(der []byte) (*rsa.PublicKey, error) { return x509.ParsePKCS1PublicKey(der) }
