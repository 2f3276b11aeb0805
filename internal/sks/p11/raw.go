//go:build cgo

package p11

import (
	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/library"
	"ssovault/internal/sks"
)

// raw is the library without crypto11: it looks before crypto11 initialises,
// and afterwards holds one session of its own, which shares crypto11's login.
type raw struct {
	lib     *pkcs11.Ctx
	session pkcs11.SessionHandle // 0: none yet (PKCS#11 2.40, 9.4: never a valid handle)
}

// load loads the library and says why it cannot.
func load(path string) (*raw, error) {
	lib, err := library.Load(path)
	if err != nil {
		return nil, err
	}
	return &raw{lib: lib}, nil
}

// unload gives the library back. A nil raw was never loaded.
func (r *raw) unload() {
	if r != nil {
		r.lib.Destroy()
	}
}

// look shows every slot with a token to see, until it has seen enough, between
// C_Initialize and C_Finalize.
func (r *raw) look(see func(s seen, err error) (more bool)) error {
	if err := r.lib.Initialize(); err != nil {
		return cryptoki.Fault(err, "initialise the PKCS#11 library")
	}
	err := r.slots(see)
	if endErr := r.lib.Finalize(); endErr != nil && err == nil {
		err = cryptoki.Fault(endErr, "finalise the PKCS#11 library")
	}
	return err
}

func (r *raw) slots(see func(s seen, err error) (more bool)) error {
	slots, err := r.lib.GetSlotList(true)
	if err != nil {
		return cryptoki.Fault(err, "list the slots")
	}
	for _, slot := range slots {
		info, err := r.lib.GetTokenInfo(slot)
		if err != nil {
			err = cryptoki.Fault(err, "ask slot %d for its token", slot)
		}
		if !see(seen{token: library.Describe(slot, info), serial: info.SerialNumber}, err) {
			break
		}
	}
	return nil
}

// tokens lists every token with its mechanisms.
func (r *raw) tokens() (all []sks.Token, err error) {
	err = r.look(func(s seen, infoErr error) bool {
		if infoErr != nil {
			return true
		}
		if mechanisms, err := r.lib.GetMechanismList(s.token.Slot); err == nil {
			s.token.GCM = lists(mechanisms, pkcs11.CKM_AES_GCM)
			s.token.KeyGen = lists(mechanisms, pkcs11.CKM_AES_KEY_GEN)
		}
		all = append(all, s.token)
		return true
	})
	return all, err
}

func lists(all []*pkcs11.Mechanism, mechanism uint) bool {
	for _, m := range all {
		if m.Mechanism == mechanism {
			return true
		}
	}
	return false
}
