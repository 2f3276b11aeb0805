package helper

import (
	"time"

	"ssovault/internal/sks"
)

// op is what the helper is asked for.
type op string

const (
	opTokens     op = "tokens"
	opDial       op = "dial"
	opKey        op = "key"
	opCreate     op = "create"
	opConvention op = "convention"
	opSeal       op = "seal"
	opOpen       op = "open"
	opRecall     op = "recall"
	opRemember   op = "remember"
	opKeep       op = "keep"
	opRemove     op = "remove"
	opList       op = "list"
	opClose      op = "close"
)

// doing says what each op is, as an error message says it.
var doing = map[op]string{
	opTokens:     "list the tokens",
	opDial:       "find the token and log in",
	opKey:        "look for the key",
	opCreate:     "make the key",
	opConvention: "try AES/GCM",
	opSeal:       "seal",
	opOpen:       "open",
	opRecall:     "recall the generation",
	opRemember:   "remember the generation",
	opKeep:       "store the certificate",
	opRemove:     "remove the key",
	opList:       "list the keys",
	opClose:      "end the session",
}

// request is the head of a message to the helper. PINs, plaintexts, boxes and
// certificates are its payload.
type request struct {
	Op       op
	Access   *sks.Access
	Library  string
	Wait     time.Duration
	ID       sks.KeyID
	Label    string // also the prefix of a list
	IV       sks.IVConvention
	AAD      int // so much of the payload is AAD
	Instance string
	Mark     sks.Mark
}

func (r *request) walk(f *fields) {
	text(f, &r.Op)
	optional(f, &r.Access, f.access)
	text(f, &r.Library)
	number(f, &r.Wait)
	f.id(&r.ID)
	text(f, &r.Label)
	number(f, &r.IV)
	number(f, &r.AAD)
	text(f, &r.Instance)
	f.mark(&r.Mark)
}

// response is the head of an answer. A plaintext or a box is its payload.
type response struct {
	Token  *sks.Token
	Tokens []sks.Token
	Info   *sks.KeyInfo
	Infos  []sks.KeyInfo
	IV     sks.IVConvention
	Mark   sks.Mark
	Error  *failure
}

func (r *response) walk(f *fields) {
	optional(f, &r.Token, f.token)
	list(f, &r.Tokens, f.token)
	optional(f, &r.Info, f.info)
	list(f, &r.Infos, f.info)
	number(f, &r.IV)
	f.mark(&r.Mark)
	optional(f, &r.Error, f.failure)
}

func (f *fields) access(a *sks.Access) {
	text(f, &a.Library)
	text(f, &a.Serial)
	text(f, &a.Label)
	text(f, &a.Role)
	f.flag(&a.Serialise)
	f.flag(&a.Unattended)
	f.flag(&a.LowExplained)
	number(f, &a.Timeouts.Question)
	number(f, &a.Timeouts.Use)
	number(f, &a.Timeouts.Make)
}

func (f *fields) token(t *sks.Token) {
	number(f, &t.Slot)
	text(f, &t.Label)
	text(f, &t.Serial)
	text(f, &t.Manufacturer)
	text(f, &t.Model)
	text(f, &t.Firmware)
	f.flag(&t.Initialised)
	f.flag(&t.UserPINSet)
	text(f, &t.Tries)
	f.flag(&t.GCM)
	f.flag(&t.KeyGen)
	f.flag(&t.Replaced)
}

func (f *fields) info(k *sks.KeyInfo) {
	f.id(&k.ID)
	text(f, &k.Label)
	list(f, &k.Unsafe, func(s *string) { text(f, s) })
}

func (f *fields) mark(m *sks.Mark) {
	number(f, &m.Generation)
	text(f, &m.SaveID)
}

func (f *fields) failure(e *failure) {
	number(f, &e.Cause)
	text(f, &e.Text)
	text(f, &e.Advice)
	optional(f, &e.Code, func(code *uint) { number(f, code) })
	f.flag(&e.Refused)
	f.flag(&e.CannotRemember)
}
