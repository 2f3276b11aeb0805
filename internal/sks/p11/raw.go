//go:build cgo

package p11

import (
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/sks"
)

// raw is the library without crypto11: it looks before crypto11 initialises,
// and afterwards holds one session of its own, which shares crypto11's login.
type raw struct {
	lib     *pkcs11.Ctx
	session pkcs11.SessionHandle // 0: none yet (PKCS#11 2.40, 9.4: never a valid handle)
}

// load loads the library and says why it cannot.
func load(library string) (*raw, error) {
	if lib := pkcs11.New(library); lib != nil {
		return &raw{lib: lib}, nil
	}
	return nil, loadError(library)
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
		if !see(seen{token: describe(slot, info), serial: info.SerialNumber}, err) {
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

func describe(slot uint, i pkcs11.TokenInfo) sks.Token {
	trim := func(s string) string { return strings.TrimRight(s, " \x00") } // the standard pads with blanks, some libraries with zeros
	t := sks.Token{
		Slot:         slot,
		Label:        trim(i.Label),
		Serial:       trim(i.SerialNumber),
		Manufacturer: trim(i.ManufacturerID),
		Model:        trim(i.Model),
		Firmware:     fmt.Sprintf("%d.%d", i.FirmwareVersion.Major, i.FirmwareVersion.Minor),
		Initialised:  i.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0,
		UserPINSet:   i.Flags&pkcs11.CKF_USER_PIN_INITIALIZED != 0,
	}
	switch {
	case i.Flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		t.Tries = sks.TriesLocked
	case i.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		t.Tries = sks.TriesFinal
	case i.Flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0:
		t.Tries = sks.TriesLow
	}
	return t
}
