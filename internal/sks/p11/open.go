//go:build cgo

// Package p11 is secure key storage in a PKCS#11 token. crypto11 owns
// initialise, login, finalise and the key; a raw session beside it reads and
// writes what crypto11 has no words for. A PKCS#11 library can hang or crash
// its process, so this package runs only in the process that package helper
// starts.
package p11

import (
	"time"
	"unsafe"

	"github.com/ThalesIgnite/crypto11"

	"ssovault/internal/cryptoki"
	"ssovault/internal/fault"
	"ssovault/internal/library"
	"ssovault/internal/secret"
	"ssovault/internal/sks"
)

// maxSessions bounds crypto11's sessions: one that holds the login, and a pool
// of one. Its pool opens a session for every operation until it is full, and a
// Store does one thing at a time. The default of 1024 would take every session
// of a shared partition.
const maxSessions = 2

// Store is secure key storage in one token, logged in. Its methods may be
// called by one goroutine at a time.
type Store struct {
	access sks.Access
	token  sks.Token
	raw    *raw
	ctx    *crypto11.Context
	iv     sks.IVConvention // zero until it was proven in this session
	unlock func()
}

var _ interface {
	sks.Store
	sks.Rememberer
	sks.Keeper
} = (*Store)(nil)

// Open finds the token and logs in once, after it has read from the token's
// flags that a login does no harm. It wipes pin. The token is told even when
// the login was refused, with what its flags say afterwards. Causes:
// Unreachable, PINRefused, PINLocked, PINUnavailable, DeviceLockedDown.
//
// A process can hold one Store: a second login to a library that is logged in
// would accept any PIN.
func Open(a sks.Access, pin secret.Value) (*Store, sks.Token, error) {
	defer pin.Wipe()
	if pin.Len() == 0 {
		return nil, sks.Token{}, fault.New(fault.PINUnavailable, "the PIN for token %s is empty; no login was tried", a.Label)
	}
	unlock, err := library.Serialise(a.Serialise, a.Timeouts.Use)
	if err != nil {
		return nil, sks.Token{}, err
	}
	s := &Store{access: a, unlock: unlock}
	if s.raw, err = load(a.Library); err == nil {
		err = s.login(pin)
	}
	if err != nil {
		s.raw.unload()
		unlock()
		return nil, s.token, err
	}
	return s, s.token, nil
}

// login looks, decides and logs in. The look ends with C_Finalize, because
// crypto11 insists on initialising the library itself.
func (s *Store) login(pin secret.Value) error {
	found, err := s.raw.choose(s.access)
	if err != nil {
		return err
	}
	s.token = found.token
	if err := sks.MayLogIn(s.access, s.token); err != nil {
		return err
	}
	cfg := &crypto11.Config{
		Path:            s.access.Library,
		MaxSessions:     maxSessions,
		UserType:        crypto11.DefaultUserType,
		PoolWaitTimeout: s.access.Timeouts.Use,
		GCMIVLength:     sks.IVCaller.IVSize(), // its default of 16 is no standard IV
		// The string shares the PIN's bytes, so that wiping them wipes it.
		Pin: unsafe.String(unsafe.SliceData(pin.Bytes()), pin.Len()),
	}
	if s.access.Role == sks.RoleCryptoUser {
		cfg.UserType = crypto11.CryptoUser
	}
	// By serial where there is one: slots may be renumbered between the look
	// and the login, and the PIN must not go to another token.
	if slot := int(found.token.Slot); found.serial != "" {
		cfg.TokenSerial = found.serial
	} else {
		cfg.SlotNumber = &slot
	}
	err = guard(func() (err error) {
		s.ctx, err = crypto11.Configure(cfg)
		return err
	})
	cfg.Pin = ""
	if err != nil {
		return s.loginFault(err)
	}
	return nil
}

// loginFault explains a failed login. After a refusal it looks once more, since
// only then do the flags tell how many tries are left.
func (s *Store) loginFault(err error) error {
	code, _ := cryptoki.Code(err)
	if code == cryptoki.UserPINNotInitialized {
		return sks.NoUserPIN(s.token, err)
	}
	err = s.fault(err, "log in to token %s", s.token)
	if code == cryptoki.UserTypeInvalid && s.access.Role == sks.RoleCryptoUser {
		return (&fault.Error{Cause: fault.NotPermitted, Err: err}).
			With("this token has no Crypto User: set sks.role=user in data/sks.properties, and let its source hold the user's PIN")
	}
	if c := fault.Of(err); c != fault.PINRefused && c != fault.PINLocked {
		return err
	}
	if again, lookErr := s.raw.choose(s.access); lookErr == nil {
		s.token.Tries = again.token.Tries
	}
	return sks.Refused(err, s.access.Role, s.token.Tries)
}

// fault is cryptoki.Fault with the advice that only a PIN's age calls for: a
// Luna accepts the first password of a role at C_Login and says at the next
// call that it is expired.
func (s *Store) fault(err error, format string, args ...any) error {
	err = cryptoki.Fault(err, format, args...)
	if code, ok := cryptoki.Code(err); ok && code == cryptoki.PINExpired {
		return &fault.Error{Cause: fault.PINUnavailable, Err: err,
			Advice: "the role's password is expired, as a first one always is: change it with the vendor's own tool, then correct the source of the PIN"}
	}
	return err
}

// Close logs out, ends the session and lets the next process have the token.
// The Store must not be used afterwards.
func (s *Store) Close() error {
	defer s.unlock()
	err := guard(s.ctx.Close)
	s.raw.unload()
	if err != nil {
		return cryptoki.Fault(err, "leave token %s", s.token)
	}
	return nil
}

// Tokens lists what the library sees, without a login. lockWait bounds the
// waiting for other processes where the library is SoftHSM's.
func Tokens(path string, lockWait time.Duration) ([]sks.Token, error) {
	unlock, err := library.Serialise(library.IsSoftHSM(path), lockWait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r, err := load(path)
	if err != nil {
		return nil, err
	}
	defer r.unload()
	return r.tokens()
}
