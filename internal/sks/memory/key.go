package memory

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"ssovault/internal/fault"
	"ssovault/internal/sks"
)

// key is a sealing key in a Device. It finds its bytes at each use, as a
// device does with a handle.
type key struct {
	store *Store
	id    sks.KeyID
	info  sks.KeyInfo
}

func errNoGCM() error {
	return fault.New(fault.NoGCM, "the memory device does not do AES/GCM: CKR_MECHANISM_INVALID")
}

func errSick() error {
	return fault.New(fault.Unreachable, "the memory device is sick: CKR_GENERAL_ERROR")
}

func (k *key) Info() sks.KeyInfo { return k.info }

func (k *key) convention() sks.IVConvention {
	if k.store.device.IV == 0 {
		return sks.IVCaller
	}
	return k.store.device.IV
}

func (k *key) Convention(context.Context) (sks.IVConvention, error) {
	leave, err := k.store.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	switch {
	case k.store.device.NoGCM:
		return 0, errNoGCM()
	case k.store.device.Sick:
		return 0, errSick()
	}
	return k.convention(), nil
}

// aead gives the key's cipher for IVs of that length. The lock is held.
func (k *key) aead(ivSize int) (cipher.AEAD, error) {
	if k.store.device.NoGCM {
		return nil, errNoGCM()
	}
	m, err := k.store.one(k.id)
	if err != nil {
		return nil, err
	}
	if m == nil { // what CKR_KEY_HANDLE_INVALID stands for
		return nil, fault.New(fault.Unreachable, "the key %s is no longer there", k.id)
	}
	block, err := aes.NewCipher(m.bytes)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithNonceSize(block, ivSize)
}

func (k *key) Seal(_ context.Context, plaintext, aad []byte) ([]byte, error) {
	leave, err := k.store.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	c := k.convention()
	gcm, err := k.aead(c.IVSize())
	if err != nil {
		return nil, err
	}
	if k.store.device.Sick {
		return nil, errSick()
	}
	iv := make([]byte, c.IVSize())
	_, _ = rand.Read(iv)
	if c == sks.IVCaller {
		return gcm.Seal(iv, iv, plaintext, aad), nil
	}
	return append(gcm.Seal(nil, iv, plaintext, aad), iv...), nil
}

func (k *key) Open(_ context.Context, c sks.IVConvention, box, aad []byte) ([]byte, error) {
	leave, err := k.store.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	iv, sealed, err := c.Split(box)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sks.ErrRefused, err)
	}
	gcm, err := k.aead(len(iv))
	if err != nil {
		return nil, err
	}
	if k.store.device.Sick {
		return nil, fmt.Errorf("%w: CKR_GENERAL_ERROR", sks.ErrRefused)
	}
	plaintext, err := gcm.Open(nil, iv, sealed, aad)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sks.ErrRefused, err)
	}
	return plaintext, nil
}
