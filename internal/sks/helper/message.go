package helper

import (
	"time"

	"ssovault/internal/isolate"
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
	Op         op
	Access     *sks.Access
	Library    string
	Wait       time.Duration
	ID         sks.KeyID
	Label      string // also the prefix of a list
	Replicable bool
	IV         sks.IVConvention
	AAD        int // so much of the payload is AAD
	Instance   string
	Mark       sks.Mark
}

// Walk implements isolate.Message.
func (r *request) Walk(f *isolate.Fields) {
	isolate.Text(f, &r.Op)
	isolate.Optional(f, &r.Access, func(a *sks.Access) { access(f, a) })
	isolate.Text(f, &r.Library)
	isolate.Number(f, &r.Wait)
	f.Bytes(r.ID[:])
	isolate.Text(f, &r.Label)
	f.Flag(&r.Replicable)
	isolate.Number(f, &r.IV)
	isolate.Number(f, &r.AAD)
	isolate.Text(f, &r.Instance)
	mark(f, &r.Mark)
}

// response is the head of an answer. A plaintext or a box is its payload.
type response struct {
	Token  *sks.Token
	Tokens []sks.Token
	Info   *sks.KeyInfo
	Infos  []sks.KeyInfo
	IV     sks.IVConvention
	Mark   sks.Mark
}

// Walk implements isolate.Message.
func (r *response) Walk(f *isolate.Fields) {
	isolate.Optional(f, &r.Token, func(t *sks.Token) { token(f, t) })
	isolate.List(f, &r.Tokens, func(t *sks.Token) { token(f, t) })
	isolate.Optional(f, &r.Info, func(k *sks.KeyInfo) { info(f, k) })
	isolate.List(f, &r.Infos, func(k *sks.KeyInfo) { info(f, k) })
	isolate.Number(f, &r.IV)
	mark(f, &r.Mark)
}

func access(f *isolate.Fields, a *sks.Access) {
	isolate.Text(f, &a.Library)
	isolate.Text(f, &a.Serial)
	isolate.Text(f, &a.Label)
	isolate.Text(f, &a.Role)
	f.Flag(&a.Serialise)
	f.Flag(&a.Unattended)
	f.Flag(&a.LowExplained)
	isolate.Number(f, &a.Timeouts.Question)
	isolate.Number(f, &a.Timeouts.Use)
	isolate.Number(f, &a.Timeouts.Make)
}

func token(f *isolate.Fields, t *sks.Token) {
	isolate.Number(f, &t.Slot)
	isolate.Text(f, &t.Label)
	isolate.Text(f, &t.Serial)
	isolate.Text(f, &t.Manufacturer)
	isolate.Text(f, &t.Model)
	isolate.Text(f, &t.Firmware)
	f.Flag(&t.Initialised)
	f.Flag(&t.UserPINSet)
	isolate.Text(f, &t.Tries)
	f.Flag(&t.GCM)
	f.Flag(&t.KeyGen)
	f.Flag(&t.Replaced)
}

func info(f *isolate.Fields, k *sks.KeyInfo) {
	f.Bytes(k.ID[:])
	isolate.Text(f, &k.Label)
	f.Flag(&k.Replicable)
	isolate.List(f, &k.Unsafe, func(s *string) { isolate.Text(f, s) })
}

func mark(f *isolate.Fields, m *sks.Mark) {
	isolate.Number(f, &m.Generation)
	isolate.Text(f, &m.SaveID)
}
