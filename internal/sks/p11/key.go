//go:build cgo

package p11

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ThalesIgnite/crypto11"
	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// errConvention is what sealing answers when the token did not do what the IV
// convention says.
var errConvention = errors.New("the token does not keep to this IV convention")

// dataLenRange is CKR_DATA_LEN_RANGE: more than the device takes in one part.
const dataLenRange = 0x21

// key is the sealing key in a token.
type key struct {
	store  *Store
	secret *crypto11.SecretKey
	info   sks.KeyInfo
	handle pkcs11.ObjectHandle // of the raw session's search; 0 until needed
}

// Info says which key it is.
func (k *key) Info() sks.KeyInfo { return k.info }

// Convention proves once a session how this token makes IVs.
func (k *key) Convention(context.Context) (sks.IVConvention, error) {
	if k.store.iv == 0 {
		iv, err := k.probe()
		if err != nil {
			return 0, err
		}
		k.store.iv = iv
	}
	return k.store.iv, nil
}

// Seal gives the box of plaintext. Each call has a fresh IV.
func (k *key) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	iv, err := k.Convention(ctx)
	if err != nil {
		return nil, err
	}
	box, err := k.seal(iv, plaintext, aad)
	if code, ok := cryptoki.Code(err); ok && code == dataLenRange {
		return nil, fault.Wrap(fault.NoGCM, err, "seal: the HSM does not take %d bytes at once", len(plaintext))
	}
	if err != nil {
		return nil, k.store.fault(err, "seal %d bytes", len(plaintext))
	}
	return box, nil
}

// seal makes a box under a convention and checks its length, with the device's
// own error.
func (k *key) seal(c sks.IVConvention, plaintext, aad []byte) (box []byte, err error) {
	if c == sks.IVCaller {
		box, err = k.sealOwnIV(plaintext, aad)
	} else {
		box, err = k.sealTokenIV(c, plaintext, aad)
	}
	if err != nil {
		return nil, err
	}
	if want := len(plaintext) + c.Overhead(); len(box) != want {
		return nil, fmt.Errorf("%w (%s): %d bytes, not %d", errConvention, c, len(box), want)
	}
	return box, nil
}

func (k *key) sealOwnIV(plaintext, aad []byte) (box []byte, err error) {
	iv := make([]byte, sks.IVCaller.IVSize(), len(plaintext)+sks.IVCaller.Overhead())
	_, _ = rand.Read(iv)
	err = guard(func() error {
		aead, err := k.secret.NewGCM()
		if err != nil {
			return err
		}
		box = aead.Seal(iv, iv, plaintext, aad)
		return nil
	})
	return box, err
}

// sealTokenIV seals through the raw session: crypto11 never gives back the IV
// that the token made (its issue 132).
func (k *key) sealTokenIV(c sks.IVConvention, plaintext, aad []byte) ([]byte, error) {
	session, err := k.store.begin()
	if err != nil {
		return nil, err
	}
	if k.handle == 0 {
		if k.handle, err = k.store.oneKey(k.info.ID); err != nil {
			return nil, err
		}
	}
	var given []byte
	if c == sks.IVWritten {
		given = make([]byte, c.IVSize())
		_, _ = rand.Read(given) // so that a token which writes nothing is noticed
	}
	params := pkcs11.NewGCMParams(given, aad, sks.TagSize*8)
	defer params.Free()
	lib := k.store.raw.lib
	if err := lib.EncryptInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_GCM, params)}, k.handle); err != nil {
		return nil, err
	}
	box, err := lib.Encrypt(session, plaintext)
	if err != nil || c == sks.IVAppended {
		return box, err
	}
	written := params.IV()
	if len(written) != len(given) || string(written) == string(given) {
		return nil, fmt.Errorf("%w (%s): the IV was not written", errConvention, c)
	}
	return append(box, written...), nil
}

// Open gives the plaintext of a box, or ErrRefused.
func (k *key) Open(_ context.Context, c sks.IVConvention, box, aad []byte) ([]byte, error) {
	plaintext, err := k.open(c, box, aad)
	switch code, ok := cryptoki.Code(err); {
	case err == nil:
		return plaintext, nil
	case ok:
		if _, ambiguous := cryptoki.CauseOf(code); ambiguous {
			return nil, fmt.Errorf("%w: %w", sks.ErrRefused, err)
		}
	case errors.Is(err, sks.ErrRefused):
		return nil, err
	}
	return nil, k.store.fault(err, "open %d bytes", len(box))
}

func (k *key) open(c sks.IVConvention, box, aad []byte) (plaintext []byte, err error) {
	iv, sealed, err := c.Split(box)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", sks.ErrRefused, err)
	}
	err = guard(func() error {
		aead, err := k.secret.NewGCM()
		if err != nil {
			return err
		}
		plaintext, err = aead.Open(nil, iv, sealed, aad)
		return err
	})
	if err != nil {
		return nil, err
	}
	if want := len(box) - c.Overhead(); len(plaintext) != want {
		secret.Wipe(plaintext)
		return nil, fmt.Errorf("the HSM gave %d bytes where %d were sealed", len(plaintext), want)
	}
	return plaintext, nil
}
