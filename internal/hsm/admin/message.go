package admin

import (
	"errors"
	"time"

	"ssovault/internal/fault"
	"ssovault/internal/hsm"
	"ssovault/internal/isolate"
)

// op is what the process is asked for.
type op string

const (
	opTokens     op = "tokens"
	opMechanisms op = "mechanisms"
	opInitialise op = "initialise"
	opLogin      op = "login"
	opSetPIN     op = "set-pin"
	opResetPIN   op = "reset-pin"
	opKeys       op = "keys"
	opGenerate   op = "generate"
	opSet        op = "set"
	opDelete     op = "delete"
	opPlace      op = "place"
	opWrap       op = "wrap"
	opUnwrap     op = "unwrap"
	opPair       op = "pair"
	opPublic     op = "public"
	opTrust      op = "trust"
	opClose      op = "close"
)

// doing says what each op is, as an error message says it.
var doing = map[op]string{
	opTokens:     "list the tokens",
	opMechanisms: "list the mechanisms",
	opInitialise: "initialise the token",
	opLogin:      "find the token and log in",
	opSetPIN:     "change the PIN",
	opResetPIN:   "reset the PIN",
	opKeys:       "list the keys",
	opGenerate:   "generate the key",
	opSet:        "change the attributes",
	opDelete:     "delete the key",
	opPlace:      "store the key",
	opWrap:       "wrap the key",
	opUnwrap:     "unwrap the key",
	opPair:       "make the identity",
	opPublic:     "read the public key",
	opTrust:      "trust the public key",
	opClose:      "end the session",
}

// request is the head of a message to the process. PINs are its payload, cut
// where Cuts says.
type request struct {
	Op      op
	Library string
	Wait    time.Duration // for other processes that use SoftHSM
	Login   Login
	Slot    uint
	Label   string
	Flag    bool
	Cuts    []int
	New     *NewKey
	Handle  uint
	On, Off hsm.Attributes
	Carry   *carry
}

// Walk implements isolate.Message.
func (r *request) Walk(f *isolate.Fields) {
	isolate.Text(f, &r.Op)
	isolate.Text(f, &r.Library)
	isolate.Number(f, &r.Wait)
	isolate.Text(f, &r.Login.Serial)
	isolate.Number(f, &r.Login.Slot)
	isolate.Text(f, &r.Login.Role)
	for _, b := range []*bool{&r.Login.Serialise, &r.Login.Unattended, &r.Login.LowExplained, &r.Login.EvenExpired, &r.Flag} {
		f.Flag(b)
	}
	isolate.Number(f, &r.Slot)
	isolate.Text(f, &r.Label)
	isolate.List(f, &r.Cuts, func(n *int) { isolate.Number(f, n) })
	isolate.Optional(f, &r.New, func(k *NewKey) {
		octets(f, &k.ID)
		isolate.Text(f, &k.Label)
		isolate.Text(f, &k.Type)
		isolate.Number(f, &k.Bits)
		isolate.Number(f, &k.Attributes)
	})
	isolate.Number(f, &r.Handle)
	isolate.Number(f, &r.On)
	isolate.Number(f, &r.Off)
	isolate.Optional(f, &r.Carry, func(c *carry) { c.walk(f) })
}

// response is the head of an answer. A list of keys is its payload.
type response struct {
	About      Library
	Token      *Token
	Tokens     []Token
	Mechanisms []Mechanism
	Key        *Key
	Tried      bool // the PIN was shown to the token
	Wrapped    hsm.Mechanism
	Making     making
}

// making is how far the making of an object that stays has come, or another change
// that is not taken back.
type making struct {
	Begun bool   // the token was asked for it, not only for trials
	Left  string // why a part of it may be left although it failed, or ""
}

// Walk implements isolate.Message.
func (r *response) Walk(f *isolate.Fields) {
	for _, s := range []*string{&r.About.Manufacturer, &r.About.Description, &r.About.Version, &r.About.Cryptoki} {
		isolate.Text(f, s)
	}
	isolate.Optional(f, &r.Token, func(t *Token) { token(f, t) })
	isolate.List(f, &r.Tokens, func(t *Token) { token(f, t) })
	isolate.List(f, &r.Mechanisms, func(m *Mechanism) {
		for _, n := range []*uint{&m.Number, &m.MinSize, &m.MaxSize, &m.Flags} {
			isolate.Number(f, n)
		}
	})
	isolate.Optional(f, &r.Key, func(k *Key) { key(f, k) })
	f.Flag(&r.Tried)
	isolate.Text(f, &r.Wrapped)
	f.Flag(&r.Making.Begun)
	isolate.Text(f, &r.Making.Left)
}

// key gives the key of an answer.
func (r *response) key(err error, o op) (Key, error) {
	if err == nil && r.Key == nil {
		err = fault.New(fault.Unreachable, "%s: the helper process answered nonsense: no key", doing[o])
	}
	if err != nil {
		return Key{}, err
	}
	return *r.Key, nil
}

func token(f *isolate.Fields, t *Token) {
	isolate.Number(f, &t.Slot)
	for _, s := range []*string{&t.Label, &t.Serial, &t.Manufacturer, &t.Model, &t.Firmware} {
		isolate.Text(f, s)
	}
	isolate.Text(f, &t.Tries)
	isolate.Text(f, &t.SOTries)
	for _, b := range []*bool{&t.Initialised, &t.UserPINSet, &t.GCM, &t.KeyGen, &t.Replaced, &t.PINToChange, &t.SOPINToChange, &t.WriteProtected, &t.ProtectedPath} {
		f.Flag(b)
	}
	isolate.Number(f, &t.MinPIN)
	isolate.Number(f, &t.MaxPIN)
	for _, n := range t.counts() {
		isolate.Optional(f, n, func(v *uint) { isolate.Number(f, v) })
	}
	trouble(f, &t.Problem)
}

func (t *Token) counts() []**uint {
	return []**uint{&t.Sessions, &t.MaxSessions, &t.RWSessions, &t.MaxRWSessions, &t.FreePublic, &t.TotalPublic, &t.FreePrivate, &t.TotalPrivate}
}

// trouble walks over the failure of one slot among others.
func trouble(f *isolate.Fields, err *error) {
	var cause fault.Cause
	var text, advice string
	if *err != nil {
		cause, text, advice = fault.Of(*err), (*err).Error(), fault.HintFor(*err)
	}
	isolate.Number(f, &cause)
	isolate.Text(f, &text)
	isolate.Text(f, &advice)
	if *err = nil; text != "" {
		*err = &fault.Error{Cause: cause, Err: errors.New(text), Advice: advice}
	}
}

func key(f *isolate.Fields, k *Key) {
	isolate.Number(f, &k.Handle)
	isolate.Text(f, &k.Class)
	isolate.Text(f, &k.Type)
	isolate.Number(f, &k.Bits)
	isolate.Text(f, &k.Label)
	octets(f, &k.ID)
	octets(f, &k.Modulus)
	isolate.Number(f, &k.Attributes)
	isolate.Number(f, &k.Known)
	isolate.Text(f, &k.KCV)
	f.Flag(&k.Empty)
}

// octets walks over a short string of bytes.
func octets(f *isolate.Fields, b *[]byte) {
	s := string(*b)
	isolate.Text(f, &s)
	if *b = nil; s != "" {
		*b = []byte(s)
	}
}

// keyList is the payload of an answer: of ten thousand keys the head would be
// too long.
type keyList struct{ keys []Key }

// Walk implements isolate.Message.
func (l *keyList) Walk(f *isolate.Fields) {
	isolate.List(f, &l.keys, func(k *Key) { key(f, k) })
}
