package sks

import "fmt"

// Token is what a library tells of one token without a login.
type Token struct {
	Slot         uint   `json:"slot"`
	Label        string `json:"label"`
	Serial       string `json:"serial"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	Firmware     string `json:"firmware"`
	Initialised  bool   `json:"initialised"`
	UserPINSet   bool   `json:"user_pin_set"`
	Tries        Tries  `json:"tries"`
	// GCM tells whether the token lists CKM_AES_GCM, and KeyGen CKM_AES_KEY_GEN.
	// Only Dialer.Tokens asks for them; a login leaves them false.
	GCM    bool `json:"gcm"`
	KeyGen bool `json:"key_gen"`
	// Replaced: found by its label, since no token has the stored serial.
	Replaced bool `json:"replaced,omitempty"`
}

// String names the token as people know it.
func (t Token) String() string {
	return fmt.Sprintf("%s (serial %s, slot %d)", t.Label, t.Serial, t.Slot)
}

// Tries is what the token's flags say of the tries that its user PIN has left
// (PKCS#11 2.40, CK_TOKEN_INFO: CKF_USER_PIN_COUNT_LOW, _FINAL_TRY, _LOCKED).
type Tries string

// What flags can say. Many tokens never set one.
const (
	TriesUnknown Tries = ""       // the token does not say
	TriesLow     Tries = "low"    // refused at least once since the last login
	TriesFinal   Tries = "final"  // one more refusal locks the role
	TriesLocked  Tries = "locked" // locked
)

// String says it as a clause.
func (t Tries) String() string {
	switch t {
	case TriesLow:
		return "the token says that a PIN was refused since the last login"
	case TriesFinal:
		return "the token says that one more refused PIN locks it"
	case TriesLocked:
		return "the token says that the PIN is locked"
	}
	return "the token does not say how many tries are left"
}
