//go:build cgo

package admin

import (
	"fmt"
	"unsafe"

	"github.com/miekg/pkcs11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/library"
	"ssovault/internal/sks"
)

// lend gives bytes as a string that shares them: wiping the one wipes the other.
func lend(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// look lists every slot with a token, and what the library is.
func (s *server) look(resp *response) error {
	info, err := s.lib.GetInfo()
	if err != nil {
		return cryptoki.Fault(err, "ask the PKCS#11 library what it is")
	}
	resp.About = Library{
		Manufacturer: library.Trim(info.ManufacturerID), Description: library.Trim(info.LibraryDescription),
		Version:  fmt.Sprintf("%d.%d", info.LibraryVersion.Major, info.LibraryVersion.Minor),
		Cryptoki: fmt.Sprintf("%d.%d", info.CryptokiVersion.Major, info.CryptokiVersion.Minor),
	}
	slots, err := s.lib.GetSlotList(true)
	if err != nil {
		return cryptoki.Fault(err, "list the slots")
	}
	for _, slot := range slots {
		t, err := s.tokenIn(slot)
		t.Problem = err // a slot that cannot be asked hides no other
		if mechanisms, err := s.lib.GetMechanismList(slot); err == nil {
			for _, m := range mechanisms {
				t.GCM = t.GCM || m.Mechanism == pkcs11.CKM_AES_GCM
				t.KeyGen = t.KeyGen || m.Mechanism == pkcs11.CKM_AES_KEY_GEN
			}
		}
		resp.Tokens = append(resp.Tokens, t)
	}
	return nil
}

func (s *server) tokenIn(slot uint) (Token, error) {
	i, err := s.lib.GetTokenInfo(slot)
	if err != nil {
		return Token{Token: sks.Token{Slot: slot}}, cryptoki.Fault(err, "ask slot %d for its token", slot)
	}
	t := Token{
		Token:          library.Describe(slot, i),
		SOTries:        library.Tries(i.Flags, pkcs11.CKF_SO_PIN_LOCKED, pkcs11.CKF_SO_PIN_FINAL_TRY, pkcs11.CKF_SO_PIN_COUNT_LOW),
		PINToChange:    i.Flags&pkcs11.CKF_USER_PIN_TO_BE_CHANGED != 0,
		SOPINToChange:  i.Flags&pkcs11.CKF_SO_PIN_TO_BE_CHANGED != 0,
		WriteProtected: i.Flags&pkcs11.CKF_WRITE_PROTECTED != 0,
		ProtectedPath:  i.Flags&pkcs11.CKF_PROTECTED_AUTHENTICATION_PATH != 0,
		MinPIN:         i.MinPinLen, MaxPIN: i.MaxPinLen,
	}
	if !t.Initialised && t.SOTries == sks.TriesLocked { // SoftHSM sets every flag of the PINs then
		t.UserPINSet, t.Tries, t.SOTries, t.PINToChange, t.SOPINToChange = false, "", "", false, false
	}
	told := []uint{i.SessionCount, i.MaxSessionCount, i.RwSessionCount, i.MaxRwSessionCount,
		i.FreePublicMemory, i.TotalPublicMemory, i.FreePrivateMemory, i.TotalPrivateMemory}
	for k, n := range t.counts() {
		if told[k] != ^uint(0) { // CK_UNAVAILABLE_INFORMATION
			*n = &told[k]
		}
	}
	return t, nil
}

// mechanisms lists what a token offers. A mechanism that cannot be asked for its
// sizes is listed without them.
func (s *server) mechanisms(slot uint) ([]Mechanism, error) {
	list, err := s.lib.GetMechanismList(slot)
	if err != nil {
		return nil, cryptoki.Fault(err, "list the mechanisms of slot %d", slot)
	}
	all := make([]Mechanism, len(list))
	for i, m := range list {
		all[i].Number = m.Mechanism
		if info, err := s.lib.GetMechanismInfo(slot, []*pkcs11.Mechanism{m}); err == nil {
			all[i].MinSize, all[i].MaxSize, all[i].Flags = info.MinKeySize, info.MaxKeySize, info.Flags
		}
	}
	return all, nil
}

// offers makes sure that the token lists a mechanism. Cause Usage names it.
func (s *server) offers(mechanism uint) error {
	list, err := s.lib.GetMechanismList(s.token.Slot)
	if err != nil {
		return s.fault(err, "list the mechanisms of the token %s", s.token)
	}
	for _, m := range list {
		if m.Mechanism == mechanism {
			return nil
		}
	}
	return fault.New(fault.Usage, "the token %s does not offer %s", s.token, cryptoki.MechanismName(mechanism)).
		With("'ssovault hsm mechanisms --token " + s.token.Serial + "' shows what it offers")
}

// refusals are the codes by which a token says that it does not do what was
// asked of it, rather than that it cannot be reached.
var refusals = map[uint]bool{
	0x07: true,                                     // ARGUMENTS_BAD: what SoftHSM says of parameters that it does not know
	0x10: true, 0x11: true, 0x12: true, 0x13: true, // ATTRIBUTE_READ_ONLY, _SENSITIVE, _TYPE_INVALID, _VALUE_INVALID
	0x1B: true, 0x54: true, // ACTION_PROHIBITED, FUNCTION_NOT_SUPPORTED
	0x62: true, 0x63: true, 0x68: true, 0x69: true, 0x6A: true, // KEY_SIZE_RANGE … KEY_UNEXTRACTABLE
	0x70: true, 0x71: true, // MECHANISM_INVALID, _PARAM_INVALID
	0xD0: true, 0xD1: true, // TEMPLATE_INCOMPLETE, _INCONSISTENT
	0xE2: true, // TOKEN_WRITE_PROTECTED
}

// fault gives an error of the library its cause: Usage where the token refuses
// what was asked of it.
func (s *server) fault(err error, format string, args ...any) error {
	if code, ok := cryptoki.Code(err); ok && refusals[code] && fault.Of(err) == fault.Unclassified {
		return (&fault.Error{Op: fmt.Sprintf(format, args...), Cause: fault.Usage, Err: err}).
			With(fmt.Sprintf("the token does not do this; 'ssovault explain %s' says what it means", cryptoki.Name(code)))
	}
	return cryptoki.Fault(err, format, args...)
}
