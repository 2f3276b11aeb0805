//go:build cgo

package p11

import (
	"context"
	"fmt"
	"strings"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// keyBits is AES-256, the one size that a sealing key has.
const keyBits = 256

// Create makes the key, or goes on with the one that an interrupted Create of
// the same id left. A key that it made and that turns out unsafe, or useless
// for AES/GCM, is removed again.
func (s *Store) Create(ctx context.Context, spec sks.NewKey) (sks.Key, error) {
	if spec.Label == "" {
		return nil, fault.New(fault.Usage, "a sealing key needs a label")
	}
	if err := s.offersGCM(); err != nil {
		return nil, err
	}
	k, made, err := s.makeOnce(spec)
	if err != nil {
		return nil, err
	}
	if err = k.settle(ctx, spec); err == nil {
		return k, nil
	}
	if made {
		if removeErr := s.Remove(ctx, spec.ID); removeErr != nil {
			err = fmt.Errorf("%w; the key that was made could not be removed: %v", err, removeErr)
		}
	}
	return nil, err
}

// offersGCM reads the mechanism list, before anything is made.
func (s *Store) offersGCM() error {
	mechanisms, err := s.raw.lib.GetMechanismList(s.token.Slot)
	if err != nil {
		return s.fault(err, "list the mechanisms of token %s", s.token)
	}
	for name, m := range map[string]uint{"CKM_AES_GCM": pkcs11.CKM_AES_GCM, "CKM_AES_KEY_GEN": pkcs11.CKM_AES_KEY_GEN} {
		if !lists(mechanisms, m) {
			return fault.New(fault.NoGCM, "token %s does not list %s", s.token, name)
		}
	}
	return nil
}

// makeOnce generates the key unless its id is there already. An error of
// C_GenerateKey does not say that there is no key: the answer may have been
// lost on its way, so the id is looked for.
func (s *Store) makeOnce(spec sks.NewKey) (k *key, made bool, err error) {
	if k, err = s.lookUp(spec.ID); err != nil || k != nil {
		return k, false, err
	}
	if err := s.alive(); err != nil {
		return nil, false, err
	}
	template := crypto11.NewAttributeSet()
	if err := setAll(template, sealingKey(spec)); err != nil {
		return nil, false, err
	}
	var generated *crypto11.SecretKey
	err = guard(func() (err error) {
		generated, err = s.ctx.GenerateSecretKeyWithAttributes(template, keyBits, crypto11.CipherAES)
		return err
	})
	if err == nil {
		return &key{store: s, secret: generated, info: sks.KeyInfo{ID: spec.ID}}, true, nil
	}
	if k, lookErr := s.lookUp(spec.ID); lookErr == nil && k != nil {
		return k, true, nil
	}
	return nil, false, s.fault(err, "C_GenerateKey")
}

// sealingKey is the whole template. crypto11's own would let the key wrap and
// be modified.
func sealingKey(spec sks.NewKey) map[crypto11.AttributeType]any {
	template := map[crypto11.AttributeType]any{
		crypto11.CkaId:          spec.ID[:],
		crypto11.CkaLabel:       spec.Label,
		crypto11.CkaToken:       true,
		crypto11.CkaPrivate:     true,
		crypto11.CkaSensitive:   true,
		crypto11.CkaExtractable: spec.Replicable,
		crypto11.CkaModifiable:  false,
		crypto11.CkaEncrypt:     true,
		crypto11.CkaDecrypt:     true,
		crypto11.CkaWrap:        false,
		crypto11.CkaUnwrap:      false,
		crypto11.CkaSign:        false,
		crypto11.CkaVerify:      false,
		crypto11.CkaDerive:      false,
	}
	if spec.Replicable {
		template[crypto11.CkaWrapWithTrusted] = true
	}
	return template
}

// settle reads the key's attributes back and proves AES/GCM with it.
func (k *key) settle(ctx context.Context, spec sks.NewKey) (err error) {
	if k.handle, err = k.store.oneKey(k.info.ID); err != nil {
		return k.store.fault(err, "find the new key again")
	}
	if k.info, err = k.store.readInfo(k.handle); err != nil {
		return k.store.fault(err, "read the new key's attributes back")
	}
	if len(k.info.Unsafe) > 0 {
		return fault.New(fault.NotPermitted, "token %s made an unsafe key: %s", k.store.token, strings.Join(k.info.Unsafe, ", ")).
			With("ask the device's provider why new keys do not get the attributes that were asked for")
	}
	if k.info.Replicable != spec.Replicable {
		return fault.New(fault.NotPermitted, "token %s made a key that is replicable: %t; %t was asked for", k.store.token, k.info.Replicable, spec.Replicable).
			With("a key of this id was there already, or the token does not know CKA_WRAP_WITH_TRUSTED: make the key without --replicable, and use the device's own cloning")
	}
	_, err = k.Convention(ctx)
	return err
}
