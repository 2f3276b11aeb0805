package admin

import "ssovault/internal/sks"

// Library is what a library says of itself.
type Library struct {
	Manufacturer string `json:"manufacturer"`
	Description  string `json:"description"`
	Version      string `json:"version"`
	Cryptoki     string `json:"cryptoki"`
}

// Token is what a library tells of a token without a login.
type Token struct {
	sks.Token
	SOTries sks.Tries `json:"so_tries"`
	// PINToChange and SOPINToChange: the PIN is a first one, or expired.
	PINToChange    bool `json:"pin_to_change,omitempty"`
	SOPINToChange  bool `json:"so_pin_to_change,omitempty"`
	WriteProtected bool `json:"write_protected,omitempty"`
	// ProtectedPath: PINs are typed at the device itself.
	ProtectedPath bool `json:"protected_path,omitempty"`
	MinPIN        uint `json:"min_pin"`
	MaxPIN        uint `json:"max_pin"`
	// Numbers that the token does not tell are nil; a limit of 0 is none.
	Sessions      *uint `json:"sessions,omitempty"`
	MaxSessions   *uint `json:"max_sessions,omitempty"`
	RWSessions    *uint `json:"rw_sessions,omitempty"`
	MaxRWSessions *uint `json:"max_rw_sessions,omitempty"`
	FreePublic    *uint `json:"free_public_memory,omitempty"`
	TotalPublic   *uint `json:"total_public_memory,omitempty"`
	FreePrivate   *uint `json:"free_private_memory,omitempty"`
	TotalPrivate  *uint `json:"total_private_memory,omitempty"`
	// Problem is why the slot could not be asked; the rest is then empty.
	Problem error `json:"-"`
}

// For gives the token as a login of that role must see it: the tries are those
// of the role's own PIN.
func (t Token) For(role sks.Role) sks.Token {
	if role == sks.RoleSO {
		t.Tries, t.UserPINSet = t.SOTries, true
	}
	return t.Token
}

// Mechanism is one that a token offers.
type Mechanism struct {
	Number  uint `json:"number"`
	MinSize uint `json:"min_size"`
	MaxSize uint `json:"max_size"`
	Flags   uint `json:"flags"`
}

// Guest opens a session without a login: public keys can be seen.
const Guest sks.Role = "guest"

// Login says to which token, and as whom.
type Login struct {
	Serial string
	Slot   uint // of a token without a serial number
	Role   sks.Role
	// Serialise, Unattended, LowExplained: see sks.Access.
	Serialise, Unattended, LowExplained bool
	// EvenExpired goes on with a PIN that the token wants changed.
	EvenExpired bool
}
